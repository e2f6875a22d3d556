// Several models share what computes them, processors or another device, by weight instead of getting into each other's
// way.
#pragma once

#include <condition_variable>
#include <functional>
#include <mutex>

#include "engine/device.h"
#include "runtime/core_ledger.h"

namespace rwkv {

/// The threads of one evaluation wait for each other without sleeping, so two evaluations on the same cores cost each
/// other many times their share. Here each asks for its cores first: those that fit run at once, the others take turns
/// by weight. Safe from any thread.
class CoreShare {
 public:
  explicit CoreShare(int cores) : ledger_(cores) {}
  /// The logical processors, shared by all models of the process.
  static CoreShare& of_this_machine();
  /// That of the processors, or one of its own for each other device, by its id: one evaluation at a time.
  static CoreShare& of(const Device& device);

  /// One a model; its turns are taken by one thread.
  class Member {
   public:
    explicit Member(CoreShare& share);
    Member(const Member&) = delete;
    Member& operator=(const Member&) = delete;
    ~Member();

    /// A model of weight 3 gets three times the core-seconds of one of weight 1 while both have work. Throws
    /// Error(kInvalidArgument) unless it is 0.001 to 1000. From any thread.
    void set_weight(double weight);
    double weight() const;

    /// Waits for cores. False as soon as `give_up` says so, which is asked every few milliseconds while it waits.
    bool acquire(int threads, const std::function<bool()>& give_up);
    void release();
    /// It has nothing more to compute for now: no other model need wait for it.
    void rest();
    /// Whether other models want these cores now or did a moment ago.
    bool is_crowded() const;

   private:
    CoreShare& share_;
    CoreLedger::User user_;
  };

 private:
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  CoreLedger ledger_;
};

}  // namespace rwkv
