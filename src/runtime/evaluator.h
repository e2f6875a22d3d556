// A loaded model as the scheduler uses it: it evaluates when it has cores, sleeps and wakes.
#pragma once

#include <atomic>
#include <chrono>
#include <functional>
#include <memory>
#include <mutex>
#include <span>

#include "base/cancel.h"
#include "engine/model.h"
#include "runtime/chunks.h"
#include "runtime/core_share.h"
#include "runtime/memory_budget.h"

namespace rwkv {

/// A model and the memory that it was granted.
struct LoadedModel {
  MemoryGrant memory;
  std::unique_ptr<Model> model;  // goes first
};

/// The scheduler's thread alone calls the methods down to wake(); any thread those below.
class Evaluator {
 public:
  /// Loads the model again; on a thread of its own.
  using Reload = std::function<LoadedModel(const CancelToken& cancel)>;
  using Time = std::chrono::steady_clock::time_point;
  /// Tests turn one of their own.
  using Clock = Time (*)();

  /// `gives_up` is asked while an evaluation waits for cores.
  Evaluator(LoadedModel loaded, Reload reload, std::function<bool()> gives_up, Clock clock);

  /// As of the first load; the number of threads may have changed since.
  const ModelInfo& info() const noexcept { return info_; }
  StableCut cut(std::span<const std::size_t> borders) const noexcept;
  Time now() const { return clock_(); }
  double seconds_since(Time time) const { return std::chrono::duration<double>(now() - time).count(); }

  std::unique_ptr<Sequence> create_sequence();

  /// Model::evaluate() as soon as there are cores for it. False: it gave up, and nothing was done.
  bool evaluate(std::span<EvalItem> items, const CancelToken& cancel);
  /// Seconds that the last evaluate() waited for cores.
  double waited() const noexcept { return waited_; }
  /// How large chunks of prefill may be, from those that were evaluated so far.
  const ChunkSize& chunk_size() const noexcept { return chunk_size_; }

  /// Gives the weights back. There is no sequence.
  void sleep();
  /// Loads the model again. It asks `is_wanted` every few milliseconds meanwhile; once that is false, it breaks off and
  /// the model stays asleep. Throws what the load throws.
  void wake(const std::function<bool()>& is_wanted);

  bool asleep() const noexcept { return asleep_; }
  /// Calls `function` with the model, null while it is asleep, between two evaluations.
  template <class Function>
  void between_evaluations(const Function& function) {
    const std::lock_guard lock(mutex_);
    function(loaded_.model.get());
  }
  /// Its share of the cores, and how busy they are.
  CoreShare::Member& cores() noexcept { return cores_; }
  const CoreShare::Member& cores() const noexcept { return cores_; }

 private:
  const ModelInfo info_;
  const Reload reload_;
  const std::function<bool()> gives_up_;
  const Clock clock_;
  std::mutex mutex_;    // held while the model is used
  LoadedModel loaded_;  // changed by the scheduler's thread alone, and with the lock
  std::atomic<bool> asleep_{false};
  double waited_ = 0;
  ChunkSize chunk_size_;
  CoreShare::Member cores_{CoreShare::of(info_.device)};
};

}  // namespace rwkv
