// Everything that a model is asked to read or write, at the same time: one thread steps all sequences together.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <thread>
#include <vector>

#include "base/cancel.h"
#include "engine/model.h"
#include "runtime/chunks.h"
#include "runtime/core_share.h"
#include "runtime/media.h"
#include "runtime/memory_budget.h"
#include "runtime/speed_meter.h"
#include "runtime/state_cache.h"

namespace rwkv {

/// A text to read and perhaps to go on with, token by token. Its methods are called by the scheduler's thread, one at a
/// time. What next() throws ends this task and no other.
class SequenceTask {
 public:
  virtual ~SequenceTask() = default;

  /// What is to be read: at least one token. Does not change.
  virtual const Tokens& text() const = 0;
  /// What the media tokens of text() stand for (media.h). Does not change.
  virtual std::span<const MediaPlace> media() const { return {}; }
  /// Looked at before every chunk of work. The task then ends with Error(kCancelled).
  virtual const CancelToken& cancel() const = 0;
  /// Places in text() (numbers of tokens, ascending) whose states are worth remembering: ends of turns.
  virtual std::span<const std::size_t> turn_ends() const { return {}; }
  /// Whether it counts in the model's speeds and progress.
  virtual bool is_measured() const { return false; }
  /// Whether states are taken from the cache and put there.
  virtual bool uses_cache() const { return true; }
  /// The state to begin with, where the cache knows none of a longer beginning; it stands for the first position()
  /// tokens, which are not read.
  virtual State start() const { return {}; }
  /// Whether next() is asked after the text, or the task ends with the state after it.
  virtual bool continues() const { return true; }

  /// The logits after each token of the text from this index on are given to scored(): they are read with all their
  /// logits. text().size(): none. Such a task uses no cache.
  virtual std::size_t scores_from() const { return text().size(); }
  /// One after another, vocabulary values each. What it throws ends this task.
  virtual void scored(std::span<const float> logits) { static_cast<void>(logits); }

  /// `tokens` more of the text are read or found in the cache.
  virtual void prefilled(std::size_t tokens) noexcept { static_cast<void>(tokens); }
  /// Chooses what follows, from the logits after the text and all that was chosen so far. Nothing ends the task.
  virtual std::optional<TokenId> next(std::span<const float> logits) = 0;

  /// How a task went.
  struct Report {
    std::size_t cached_tokens = 0;  // of the text, that did not have to be read
    double prefill_seconds = 0;     // from its first chunk of work to the first call of next()
    double decode_seconds = 0;      // from then on
    State state;                    // with continues() false: the one after the text
    std::optional<Error> error;     // kCancelled, or what went wrong
  };
  /// Exactly once; after it only sequel().
  virtual void end(const Report& report) noexcept = 0;

  /// Asked after the end of what went well or was cancelled: the text that the next turn of this conversation is going
  /// to begin with. It is read while the model has nothing else to do. Empty: none.
  virtual Tokens sequel() const { return {}; }
};

/// A model and the memory that it was granted.
struct LoadedModel {
  MemoryGrant memory;
  std::unique_ptr<Model> model;  // goes first
};

/// One a model. Tasks submitted from any thread join the running batch as soon as a sequence is free, in the order in
/// which they came, and leave it when they end; the others do not notice. While some write, a long text is read in
/// chunks between their steps, so short that a writer waits no longer than about 100 ms. Tasks whose texts begin alike
/// read the common beginning once.
///
/// Texts are cut so that their states are the same, bit for bit, as of a text read at once (ModelInfo::stable_chunk),
/// and only such states are remembered: an answer is the same with the cache and without.
class Scheduler {
 public:
  /// Loads the model again; on a thread of its own.
  using Reload = std::function<LoadedModel(const CancelToken& cancel)>;

  /// Cache and speeds must outlive it.
  Scheduler(LoadedModel loaded, Reload reload, StateCache& cache, SpeedMeter& speeds);
  Scheduler(const Scheduler&) = delete;
  Scheduler& operator=(const Scheduler&) = delete;
  /// Ends all tasks with Error(kCancelled) and waits for that. Not on its own thread.
  ~Scheduler();

  /// Tasks of one call are admitted in this order.
  void submit(std::vector<std::shared_ptr<SequenceTask>> tasks);

  struct Activity {
    std::size_t running = 0;  // tasks that have a sequence
    std::size_t waiting = 0;  // tasks that have none yet
    std::size_t sequels = 0;  // texts to read when there is nothing else to do
  };
  Activity activity() const;

  /// Returns when no task is there and all sequels are read. Not on its own thread.
  void wait_until_settled();

  /// Calls `function` with the model, null while it is asleep, when it is not evaluating: after one step or chunk of
  /// reading at most.
  template <class Function>
  void between_steps(const Function& function) {
    const std::lock_guard lock(model_mutex_);
    function(loaded_.model.get());
  }

  /// Gives the weights back if nothing runs and waits; texts that were to be read for later are forgotten. The next
  /// task loads the model again, and has the error where that fails. Returns whether it is asleep; after one step at
  /// most. Not on its own thread.
  bool sleep();
  bool asleep() const noexcept { return asleep_; }

  /// Its part of the processors while other models compute as well, see CoreShare. Throws Error(kInvalidArgument).
  void set_weight(double weight) { cores_.set_weight(weight); }
  double weight() const { return cores_.weight(); }

  /// Whether this is the thread that calls the tasks: who waits for a task there waits for ever.
  bool on_its_thread() const noexcept { return std::this_thread::get_id() == thread_.get_id(); }

 private:
  using Clock = std::chrono::steady_clock;

  // A task that has the sequence of the same index.
  struct Slot {
    std::shared_ptr<SequenceTask> task;
    std::size_t origin = 0;            // position of the task's start()
    std::size_t done = 0;              // tokens of the text that the sequence holds
    std::size_t body = 0;              // tokens of the text that are read in chunks; the last one is stepped
    std::vector<std::size_t> borders;  // of media in the text
    std::vector<std::size_t>
        checkpoints;         // in the body, after which the state is to be remembered or shared; ascending
    std::size_t credit = 0;  // tokens that a sequel would have read by now
    const SequenceTask* leader = nullptr;  // reads what this one begins with too,
    std::size_t join_at = 0;               // up to here
    Tokens written;                        // chosen and absorbed
    TokenId pending = 0;                   // the next token to step, once the body is read
    bool writing = false;                  // next() was called
    Clock::time_point begun;
    Clock::time_point first;  // call of next()
    SequenceTask::Report report;

    bool reads() const noexcept { return task && done < body; }
    bool steps() const noexcept { return task && done >= body; }
  };

  struct Sequel {
    Tokens text;
    std::vector<MediaPlace> media;
    std::size_t origin = 0;    // position of the state it begins with
    std::size_t unread = 0;    // tokens of it that the cache did not have when the task ended
    std::uint64_t clears = 0;  // StateCache::Stats::clears at that time
  };

  // scheduler.cpp
  void run() noexcept;
  bool take_new();
  void take_inbox();
  void fall_asleep();
  void wake();
  void count_in(const SequenceTask& task);
  void end_cancelled();
  void admit_waiting();
  void begin(std::size_t index, std::shared_ptr<SequenceTask> task);
  bool step();
  void step_some(std::size_t begin, std::size_t count);
  void after_step(std::size_t index, std::span<const float> logits);
  Sequence& sequence(std::size_t index);
  std::size_t gather_steppers();
  void move_slot(std::size_t from, std::size_t to);
  void retire(std::size_t index, const std::optional<Error>& error);
  void end_task(SequenceTask& task, const SequenceTask::Report& report, std::size_t unread);
  void end_all(const Error& error);
  std::size_t most_sequences() const noexcept;
  StableCut cut(std::span<const std::size_t> borders) const noexcept;
  StableCut cut(const Slot& slot) const noexcept { return cut(slot.borders); }
  bool anybody() const;

  // scheduler_reading.cpp
  void start_reading(Slot& slot, Sequence& sequence);
  void adopt_sequel(Slot& slot);
  PrefillSoFar prefill_so_far(const Slot& slot) const noexcept;
  void find_leader(std::size_t index);
  void free_followers(const SequenceTask& leader);
  bool prefill_chunks();
  bool prefill_chunk(std::size_t index, double seconds);
  std::size_t next_size(const Slot& slot, std::size_t wanted) const;
  void give_scores(Slot& slot, const EvalItem& chunk) const;
  void reached(std::size_t index);
  void read_sequel();
  void keep_sequel(SequenceTask& task, std::uint64_t clears);
  bool has_news() const;
  bool evaluate(std::span<EvalItem> items, const CancelToken& cancel);
  bool has_something_else_first() const;
  void progress(Slot& slot, std::size_t tokens);

  const ModelInfo info_;
  const Reload reload_;
  const Error cancelled_{ErrorCode::kCancelled,
                         "cancelled by the caller"};  // copied without memory where there is none
  StateCache& cache_;
  SpeedMeter& speeds_;

  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<std::shared_ptr<SequenceTask>> inbox_;
  bool stopped_ = false;
  bool settled_ = true;
  bool sleep_wanted_ = false;
  Activity activity_;

  std::mutex model_mutex_;  // held while the model is used
  LoadedModel loaded_;      // changed by the thread alone, and with the lock; without model: asleep
  std::atomic<bool> asleep_{false};
  CoreShare::Member cores_{CoreShare::of(info_.device)};

  // Of the thread alone:
  std::vector<std::unique_ptr<Sequence>> sequences_;  // made when first needed; their order is that of their ids
  std::vector<Slot> slots_;                           // [i]: who has sequences_[i]
  std::deque<std::shared_ptr<SequenceTask>> waiting_;
  std::deque<Sequel> sequels_;
  ChunkSize chunk_size_;
  double step_seconds_ = 0;
  double waited_ = 0;            // seconds, before the last evaluation, for cores
  std::size_t next_reader_ = 0;  // readers take turns
  std::size_t measured_tasks_ = 0;
  std::uint64_t measured_done_ = 0;
  std::uint64_t measured_expected_ = 0;

  std::thread thread_;  // last: it uses all of the above
};

}  // namespace rwkv
