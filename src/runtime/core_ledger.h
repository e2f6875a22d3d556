// Whose turn it is to compute: the books of core_share.h, without threads and clocks of their own.
#pragma once

#include <chrono>
#include <vector>

namespace rwkv {

/// Users of a number of cores, each with a weight. A user that fits beside the running ones runs at once; otherwise the
/// one that has used the fewest core-seconds for its weight is next. Time without competition is not counted against a
/// user later, and a user that was away has no claim to the time it did not use.
class CoreLedger {
 public:
  using Time = std::chrono::steady_clock::time_point;

  class User {
   public:
    double weight = 1;  // above 0

   private:
    friend class CoreLedger;
    enum class Is { kAway, kWaiting, kRunning };

    Is is = Is::kAway;
    int threads = 0;  // as last asked for, at most the cores
    double used = 0;  // core-seconds by weight; only differences between users mean something
    Time since{};     // kRunning: of its beginning; kAway: of its last end
    bool rests = true;
  };

  explicit CoreLedger(int cores) : cores_(cores), free_(cores) {}

  void join(User& user) { users_.push_back(&user); }
  /// Not while it runs.
  void leave(User& user);

  void set_weight(User& user, double weight);

  /// It waits for `threads` cores, or has them if runs() says so.
  void ask(User& user, int threads, Time now);
  void withdraw(User& user, Time now);
  /// Its turn is over. It is expected back soon: while its share is the smaller one, the cores are kept for it for a
  /// moment, since users that ask one after another would else take turns whatever their weights are.
  void end(User& user, Time now);
  /// It is not expected back.
  void rest(User& user, Time now);

  bool runs(const User& user) const noexcept { return user.is == User::Is::kRunning; }
  /// Whether this user and the others that are busy, or were a moment ago, need more cores together than there are.
  bool is_crowded(const User& user, Time now) const noexcept;
  /// Lets those users run that may. That changes as time goes on, so waiting threads call it now and then.
  void serve(Time now);

 private:
  bool is_expected(const User& user, Time now) const noexcept;

  const int cores_;
  int free_;
  double floor_ = 0;  // what the last one to begin had used
  std::vector<User*> users_;
};

}  // namespace rwkv
