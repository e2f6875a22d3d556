#include "runtime/core_ledger.h"

#include <algorithm>

namespace rwkv {
namespace {

using std::chrono::milliseconds;

// Longer than it takes to choose the tokens of a large batch.
constexpr milliseconds kExpectedBack{10};
// A user may be away for this long between two steps of a stream.
constexpr milliseconds kBusyLately{300};

}  // namespace

void CoreLedger::leave(User& user) { std::erase(users_, &user); }

void CoreLedger::ask(User& user, int threads, Time now) {
  user.threads = std::clamp(threads, 1, cores_);
  user.used = std::max(user.used, floor_);
  user.is = User::Is::kWaiting;
  user.rests = false;
  serve(now);
}

// What it has used beyond the least of all counts by the new weight too, so that a change is felt at once.
void CoreLedger::set_weight(User& user, double weight) {
  if (user.used > floor_) user.used = floor_ + (user.used - floor_) * user.weight / weight;
  user.weight = weight;
}

void CoreLedger::withdraw(User& user, Time now) {
  user.is = User::Is::kAway;
  user.since = now;
  user.rests = true;
  serve(now);
}

void CoreLedger::end(User& user, Time now) {
  user.used += std::chrono::duration<double>(now - user.since).count() * user.threads / user.weight;
  user.is = User::Is::kAway;
  user.since = now;
  free_ += user.threads;
  serve(now);
}

void CoreLedger::rest(User& user, Time now) {
  if (user.is != User::Is::kAway || user.rests) return;
  user.rests = true;
  serve(now);
}

bool CoreLedger::is_expected(const User& user, Time now) const noexcept {
  return user.is == User::Is::kAway && !user.rests && now - user.since < kExpectedBack;
}

bool CoreLedger::is_crowded(const User& user, Time now) const noexcept {
  int needed = std::max(user.threads, 1);  // 0: it has not computed yet
  for (const User* other : users_) {
    const bool is_busy = other->is != User::Is::kAway || (!other->rests && now - other->since < kBusyLately);
    if (other != &user && is_busy) needed += other->threads;
  }
  return needed > cores_;
}

void CoreLedger::serve(Time now) {
  std::vector<User*> queue;
  for (User* user : users_) {
    if (user->is == User::Is::kWaiting || is_expected(*user, now)) queue.push_back(user);
  }
  std::stable_sort(queue.begin(), queue.end(), [](const User* a, const User* b) {
    if (a->used != b->used) return a->used < b->used;
    return a->is == User::Is::kWaiting && b->is != User::Is::kWaiting;
  });
  // No user overtakes: one that needs many cores would wait for ever behind those that need few.
  int left = free_;
  for (User* user : queue) {
    if (user->threads > left) return;
    left -= user->threads;
    if (user->is != User::Is::kWaiting) continue;
    user->is = User::Is::kRunning;
    user->since = now;
    free_ -= user->threads;
    floor_ = std::max(floor_, user->used);
  }
}

}  // namespace rwkv
