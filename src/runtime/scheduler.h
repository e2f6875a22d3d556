// Everything that a model is asked to compute, at the same time: one thread evaluates all sequences together.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <list>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "runtime/decode.h"
#include "runtime/evaluator.h"
#include "runtime/prefill.h"
#include "runtime/scheduled_task.h"
#include "runtime/sequels.h"
#include "runtime/sequence_task.h"
#include "runtime/speed_meter.h"
#include "runtime/state_cache.h"

namespace rwkv {

/// One a model. Tasks submitted from any thread join the running batch as soon as a sequence is free, in the order in
/// which they came, and leave it when they end; the others do not notice. While some tasks are in decode, a long text
/// is prefilled in chunks between their steps, so short that a step comes no later than after about 100 ms. The common
/// beginning of several texts is prefilled once.
///
/// Texts are cut so that their states are the same, bit for bit, as of a text in one evaluation
/// (ModelInfo::stable_chunk), and only such states are remembered: an answer is the same with the cache and without.
///
/// Its parts know nothing of threads: Prefill and Decode evaluate the running tasks, Sequels what is left to do when
/// there are none, all with the Evaluator, which has the model.
class Scheduler {
 public:
  /// Cache and speeds must outlive it.
  Scheduler(LoadedModel loaded, Evaluator::Reload reload, StateCache& cache, SpeedMeter& speeds,
            Evaluator::Clock clock = std::chrono::steady_clock::now);
  Scheduler(const Scheduler&) = delete;
  Scheduler& operator=(const Scheduler&) = delete;
  /// Ends all tasks with Error(kCancelled) and waits for that. Not on its own thread.
  ~Scheduler();

  /// Tasks of one call are admitted in this order.
  void submit(std::vector<std::shared_ptr<SequenceTask>> tasks);

  struct Activity {
    std::size_t running = 0;  // tasks that have a sequence
    std::size_t waiting = 0;  // tasks that have none yet
    std::size_t sequels = 0;  // texts to prefill when there is nothing else to do
  };
  Activity activity() const;

  /// Returns when there is no task and all sequels are prefilled. Not on its own thread.
  void wait_until_settled();

  /// Gives the weights back if no task runs or waits; sequels are forgotten. The next task loads the model again, and
  /// has the error where that fails. Returns whether the model is asleep; after one evaluation at most. Not on its own
  /// thread.
  bool sleep();

  /// Whether this is the thread that calls the tasks: code that waits for a task there waits for ever.
  bool on_its_thread() const noexcept { return std::this_thread::get_id() == thread_.get_id(); }

  /// For what any thread may ask of it.
  Evaluator& evaluator() noexcept { return evaluator_; }
  const Evaluator& evaluator() const noexcept { return evaluator_; }

 private:
  void run() noexcept;
  bool take_new();
  void admit();
  bool is_still_wanted();
  void begin_admitted();
  void end_finished();
  void remember(const ScheduledTask& one);
  void end_all(const Error& error);
  bool has_news() const;
  bool has_something_else_first() const;

  const Error cancelled_{ErrorCode::kCancelled,
                         "cancelled by the caller"};  // copied without memory where there is none
  StateCache& cache_;
  SpeedMeter& speeds_;

  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::list<ScheduledTask> inbox_;  // without sequences
  bool stopped_ = false;
  bool settled_ = true;
  bool sleep_wanted_ = false;
  Activity activity_;

  // Of the thread alone:
  Evaluator evaluator_;
  Sequels sequels_;
  Prefill prefill_;
  Decode decode_;
  std::list<ScheduledTask> running_;

  std::thread thread_;  // last: it uses all of the above
};

}  // namespace rwkv
