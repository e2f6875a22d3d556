#include "runtime/core_share.h"

#include <algorithm>
#include <chrono>
#include <map>
#include <string>
#include <thread>

#include "base/error.h"
#include "base/fork.h"

namespace rwkv {
namespace {

using Clock = std::chrono::steady_clock;

// How soon a waiting thread notices that it may give up, and that a model that was expected has not come.
constexpr std::chrono::milliseconds kLook{2};

constexpr double kLeastWeight = 0.001;
constexpr double kMostWeight = 1000;

}  // namespace

CoreShare& CoreShare::of_this_machine() {
  // Never destroyed: models may outlive the statics of the host.
  static CoreShare* share = nullptr;
  static const auto make = [] {
    share = new CoreShare(static_cast<int>(std::max(1u, std::thread::hardware_concurrency())));
  };
  static const bool made = [] {
    make();
    // What computed in the parent never ends here.
    at_fork([] { share->mutex_.lock(); }, [] { share->mutex_.unlock(); }, make);
    return true;
  }();
  static_cast<void>(made);
  return *share;
}

CoreShare& CoreShare::of(const Device& device) {
  if (device.kind == DeviceKind::kProcessor) return of_this_machine();
  static std::mutex mutex;
  static std::map<std::string, CoreShare*>* shares = nullptr;
  static const auto make = [] { shares = new std::map<std::string, CoreShare*>; };
  static const bool made = [] {
    make();
    const auto unlock = [] { mutex.unlock(); };
    at_fork([] { mutex.lock(); }, unlock,
            [] {
              make();
              mutex.unlock();
            });
    return true;
  }();
  static_cast<void>(made);
  const std::lock_guard lock(mutex);
  CoreShare*& share = (*shares)[device.id];
  if (share == nullptr) share = new CoreShare(1);
  return *share;
}

CoreShare::Member::Member(CoreShare& share) : share_(share) {
  const std::lock_guard lock(share_.mutex_);
  share_.ledger_.join(user_);
}

CoreShare::Member::~Member() {
  const std::lock_guard lock(share_.mutex_);
  share_.ledger_.leave(user_);
}

void CoreShare::Member::set_weight(double weight) {
  // Also false for what is no number.
  if (!(weight >= kLeastWeight && weight <= kMostWeight)) {
    throw Error(ErrorCode::kInvalidArgument,
                "the weight of a model is " + std::to_string(weight) + ", not 0.001 to 1000");
  }
  const std::lock_guard lock(share_.mutex_);
  share_.ledger_.set_weight(user_, weight);
}

double CoreShare::Member::weight() const {
  const std::lock_guard lock(share_.mutex_);
  return user_.weight;
}

bool CoreShare::Member::acquire(int threads, const std::function<bool()>& give_up) {
  CoreLedger& ledger = share_.ledger_;
  std::unique_lock lock(share_.mutex_);
  ledger.ask(user_, threads, Clock::now());
  while (!ledger.runs(user_)) {
    lock.unlock();
    const bool gives_up = give_up();
    lock.lock();
    if (ledger.runs(user_)) break;
    if (gives_up) {
      ledger.withdraw(user_, Clock::now());
      share_.changed_.notify_all();
      return false;
    }
    share_.changed_.wait_for(lock, kLook);
    ledger.serve(Clock::now());
  }
  share_.changed_.notify_all();  // that look may have let others run too
  return true;
}

void CoreShare::Member::release() {
  const std::lock_guard lock(share_.mutex_);
  share_.ledger_.end(user_, Clock::now());
  share_.changed_.notify_all();
}

void CoreShare::Member::rest() {
  const std::lock_guard lock(share_.mutex_);
  share_.ledger_.rest(user_, Clock::now());
  share_.changed_.notify_all();
}

bool CoreShare::Member::is_crowded() const {
  const std::lock_guard lock(share_.mutex_);
  return share_.ledger_.is_crowded(user_, Clock::now());
}

}  // namespace rwkv
