#include "runtime/scheduler.h"

#include <algorithm>
#include <functional>
#include <future>
#include <iterator>
#include <utility>

#include "base/error_of.h"

namespace rwkv {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::chrono::milliseconds kLookWhileLoading{5};

double seconds_between(Clock::time_point from, Clock::time_point to) {
  return std::chrono::duration<double>(to - from).count();
}

}  // namespace

Scheduler::Scheduler(LoadedModel loaded, Reload reload, StateCache& cache, SpeedMeter& speeds)
    : info_(loaded.model->info()),
      reload_(std::move(reload)),
      cache_(cache),
      speeds_(speeds),
      loaded_(std::move(loaded)),
      slots_(most_sequences()),
      thread_([this] { run(); }) {}

Scheduler::~Scheduler() {
  {
    const std::lock_guard lock(mutex_);
    stopped_ = true;
  }
  changed_.notify_all();
  thread_.join();
}

void Scheduler::submit(std::vector<std::shared_ptr<SequenceTask>> tasks) {
  {
    const std::lock_guard lock(mutex_);
    inbox_.insert(inbox_.end(), std::make_move_iterator(tasks.begin()), std::make_move_iterator(tasks.end()));
    settled_ = false;
  }
  changed_.notify_all();
}

Scheduler::Activity Scheduler::activity() const {
  const std::lock_guard lock(mutex_);
  Activity activity = activity_;
  activity.waiting += inbox_.size();
  return activity;
}

void Scheduler::wait_until_settled() {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [this] { return settled_ || stopped_; });
}

std::size_t Scheduler::most_sequences() const noexcept { return static_cast<std::size_t>(info_.batch_sizes.back()); }

StableCut Scheduler::cut(std::span<const std::size_t> borders) const noexcept {
  return {static_cast<std::size_t>(info_.stable_chunk), static_cast<std::size_t>(info_.stable_grid), borders};
}

bool Scheduler::anybody() const {
  return !waiting_.empty() || std::any_of(slots_.begin(), slots_.end(), [](const Slot& slot) { return slot.task; });
}

void Scheduler::run() noexcept {
  bool goes_on = true;
  while (goes_on) {
    // What is thrown here and not by a task leaves nothing that could be relied on.
    const auto error = error_of([&] {
      goes_on = take_new();
      if (!goes_on) return;
      end_cancelled();
      if (!loaded_.model && anybody()) wake();
      if (!loaded_.model) return sequels_.clear();
      admit_waiting();
      const bool has_read = prefill_chunks();
      const bool has_stepped = step();
      if (!has_read && !has_stepped && !anybody()) read_sequel();
    });
    if (error) end_all(*error);
  }
  end_all(cancelled_);
}

// Waits for work. False: there will be none.
bool Scheduler::take_new() {
  std::unique_lock lock(mutex_);
  const bool somebody = anybody();
  if (sleep_wanted_ && !somebody && inbox_.empty()) {
    lock.unlock();
    fall_asleep();
    lock.lock();
  }
  if (std::exchange(sleep_wanted_, false)) changed_.notify_all();
  const auto has_work = [&] { return stopped_ || sleep_wanted_ || !inbox_.empty() || somebody || !sequels_.empty(); };
  activity_ = {};
  for (const Slot& slot : slots_) activity_.running += slot.task ? 1u : 0u;
  activity_.waiting = waiting_.size();
  activity_.sequels = sequels_.size();
  if (!has_work()) {
    settled_ = true;
    cores_.rest();
    changed_.notify_all();
    changed_.wait(lock, has_work);
  }
  if (stopped_) return false;
  take_inbox();
  return true;
}

// With the lock.
void Scheduler::take_inbox() {
  const std::size_t before = waiting_.size();
  waiting_.insert(waiting_.end(), std::make_move_iterator(inbox_.begin()), std::make_move_iterator(inbox_.end()));
  inbox_.clear();
  for (std::size_t i = before; i < waiting_.size(); ++i) count_in(*waiting_[i]);
}

bool Scheduler::sleep() {
  std::unique_lock lock(mutex_);
  sleep_wanted_ = true;
  changed_.notify_all();
  changed_.wait(lock, [this] { return !sleep_wanted_ || stopped_; });
  return asleep_;
}

void Scheduler::fall_asleep() {
  sequels_.clear();
  sequences_.clear();
  const std::lock_guard lock(model_mutex_);
  loaded_.model.reset();  // before its memory is given to others
  loaded_ = {};
  asleep_ = true;
}

// Loads the model again for those who wait, and goes on looking who of them is cancelled. Without any of them left it
// breaks off and the model stays asleep.
void Scheduler::wake() {
  const CancelToken cancel;
  auto loading = std::async(std::launch::async, [&] { return reload_(cancel); });
  while (loading.wait_for(kLookWhileLoading) != std::future_status::ready) {
    bool stopped = false;
    {
      const std::lock_guard lock(mutex_);
      take_inbox();
      stopped = stopped_;
    }
    end_cancelled();
    if (stopped || waiting_.empty()) cancel.cancel();
  }
  try {
    LoadedModel loaded = loading.get();
    const std::lock_guard lock(model_mutex_);
    loaded_ = std::move(loaded);
    asleep_ = false;
  } catch (const Error& error) {
    if (error.code() != ErrorCode::kCancelled) throw;
  }
}

void Scheduler::count_in(const SequenceTask& task) {
  if (!task.is_measured()) return;
  if (measured_tasks_++ == 0) {
    speeds_.reset();
    measured_done_ = measured_expected_ = 0;
  }
  measured_expected_ += task.text().size();
  speeds_.set_progress(measured_done_, measured_expected_);
}

void Scheduler::end_cancelled() {
  const auto is_cancelled = [](const std::shared_ptr<SequenceTask>& task) { return task->cancel().cancelled(); };
  for (std::size_t i = 0; i < slots_.size(); ++i) {
    if (slots_[i].task && is_cancelled(slots_[i].task)) retire(i, cancelled_);
  }
  const auto first = std::stable_partition(waiting_.begin(), waiting_.end(), std::not_fn(is_cancelled));
  const std::vector<std::shared_ptr<SequenceTask>> ended(first, waiting_.end());
  waiting_.erase(first, waiting_.end());
  SequenceTask::Report report;
  report.error = cancelled_;
  for (const auto& task : ended) end_task(*task, report, task->text().size());
}

void Scheduler::admit_waiting() {
  for (std::size_t i = 0; i < slots_.size() && !waiting_.empty(); ++i) {
    if (slots_[i].task) continue;
    std::shared_ptr<SequenceTask> task = std::move(waiting_.front());
    waiting_.pop_front();
    begin(i, std::move(task));
    if (!slots_[i].task) --i;  // has ended already
  }
}

void Scheduler::begin(std::size_t index, std::shared_ptr<SequenceTask> task) {
  Slot& slot = slots_[index];
  slot = {};
  slot.task = std::move(task);
  slot.begun = Clock::now();
  const auto error = error_of([&] {
    const Tokens& text = slot.task->text();
    slot.body = text.size() - (slot.task->continues() ? 1 : 0);
    slot.pending = text.back();
    slot.borders = media_borders(slot.task->media());
    start_reading(slot, sequence(index));
    if (slot.reads()) find_leader(index);
  });
  if (error) {
    retire(index, error);
  } else if (!slot.reads() && !slot.task->continues()) {
    slot.report.state = sequences_[index]->save();
    retire(index, std::nullopt);
  }
}

Sequence& Scheduler::sequence(std::size_t index) {
  if (sequences_.size() <= index) {
    const std::lock_guard lock(model_mutex_);
    while (sequences_.size() <= index) sequences_.push_back(loaded_.model->create_sequence());
  }
  return *sequences_[index];
}

// Evaluates the pending token of everybody who has read his text. False: there is nobody.
bool Scheduler::step() {
  const std::size_t count = gather_steppers();
  const std::vector<int>& sizes = info_.batch_sizes;
  for (std::size_t begin = 0; begin < count;) {
    const auto larger = std::upper_bound(sizes.begin(), sizes.end(), static_cast<int>(count - begin));
    const std::size_t some = larger == sizes.begin() ? 1 : static_cast<std::size_t>(*std::prev(larger));
    step_some(begin, some);
    begin += some;
  }
  return count > 0;
}

// Moves those who step to the sequences 0, 1, ...: backends step neighbours together best. Returns how many they are.
std::size_t Scheduler::gather_steppers() {
  const auto count =
      static_cast<std::size_t>(std::count_if(slots_.begin(), slots_.end(), [](const Slot& s) { return s.steps(); }));
  std::size_t from = slots_.size();
  for (std::size_t to = 0; to < count; ++to) {
    if (slots_[to].steps()) continue;
    while (!slots_[from - 1].steps()) --from;
    move_slot(--from, to);
  }
  return count;
}

void Scheduler::move_slot(std::size_t from, std::size_t to) {
  const State moved = sequences_[from]->save();
  if (slots_[to].task) sequences_[from]->restore(sequences_[to]->save());
  sequences_[to]->restore(moved);
  std::swap(slots_[from], slots_[to]);
}

void Scheduler::step_some(std::size_t begin, std::size_t count) {
  std::vector<EvalItem> items;
  std::size_t writers = 0;
  std::size_t readers = 0;
  for (std::size_t i = begin; i < begin + count; ++i) {
    items.push_back({.sequence = sequences_[i].get(), .tokens = std::span(&slots_[i].pending, 1)});
    // A text may end with a picture.
    if (is_media(slots_[i].pending)) {
      const std::size_t last = slots_[i].body;
      items.back().tokens = {};
      items.back().embeddings = media_rows(slots_[i].task->media(), last, last + 1);
    }
    if (slots_[i].task->is_measured()) ++(slots_[i].writing ? writers : readers);
  }
  const Clock::time_point start = Clock::now();
  // The cancel of one must not break off what the others need.
  const CancelToken cancel = count == 1 ? slots_[begin].task->cancel() : CancelToken();
  bool evaluated = false;
  const auto error = error_of([&] { evaluated = evaluate(items, cancel); });
  if (!evaluated && !error) return;
  for (std::size_t i = begin; i < begin + count; ++i) {
    if (error) {
      retire(i, error);
    } else {
      after_step(i, items[i - begin].output);
    }
  }
  const double took = seconds_between(start, Clock::now());
  step_seconds_ = took - waited_;
  if (writers > 0) {
    speeds_.add_decode(writers, took);
  } else if (readers > 0) {
    speeds_.add_prefill(readers, took);
  }
}

void Scheduler::after_step(std::size_t index, std::span<const float> logits) {
  Slot& slot = slots_[index];
  std::optional<TokenId> token;
  const auto error = error_of([&] {
    if (slot.writing) {
      slot.written.push_back(slot.pending);
    } else {
      slot.writing = true;
      slot.first = Clock::now();
      slot.report.prefill_seconds = seconds_between(slot.begun, slot.first);
      progress(slot, 1);
    }
    token = slot.task->next(logits);
  });
  if (token && !error) {
    slot.pending = *token;
  } else {
    retire(index, error);
  }
}

void Scheduler::retire(std::size_t index, const std::optional<Error>& error) {
  Slot slot = std::exchange(slots_[index], {});
  slot.report.error = error;
  if (slot.writing) slot.report.decode_seconds = seconds_between(slot.first, Clock::now());
  static_cast<void>(error_of([&] {
    // Not where steps compute otherwise than reading does, nor what an evaluation that failed has left.
    if (!slot.writing || !info_.decode_equals_prefill || !slot.task->uses_cache()) return;
    Tokens whole = slot.task->text();
    whole.insert(whole.end(), slot.written.begin(), slot.written.end());
    if (sequences_[index]->position() != static_cast<std::int64_t>(whole.size())) return;
    cache_.insert(whole, sequences_[index]->save());
  }));
  free_followers(*slot.task);
  end_task(*slot.task, slot.report, slot.task->text().size() - slot.done - (slot.writing ? 1 : 0));
}

void Scheduler::end_task(SequenceTask& task, const SequenceTask::Report& report, std::size_t unread) {
  if (task.is_measured()) {
    --measured_tasks_;
    measured_expected_ -= unread;
  }
  // Whoever hears of the end may clear the cache at once, and then there is no next turn.
  const std::uint64_t clears = cache_.stats().clears;
  task.end(report);
  if (report.error && report.error->code() != ErrorCode::kCancelled) return;
  if (task.uses_cache()) keep_sequel(task, clears);
}

// Takes no memory: there may be none.
void Scheduler::end_all(const Error& error) {
  for (std::size_t i = 0; i < slots_.size(); ++i) {
    if (slots_[i].task) retire(i, error);
  }
  SequenceTask::Report report;
  report.error = error;
  const auto end_first = [&](std::deque<std::shared_ptr<SequenceTask>>& tasks, std::unique_lock<std::mutex>& lock) {
    const std::shared_ptr<SequenceTask> task = std::move(tasks.front());
    tasks.pop_front();
    lock.unlock();
    if (&tasks == &inbox_) count_in(*task);
    end_task(*task, report, task->text().size());
    lock.lock();
  };
  // What comes while they end has nothing to do with the error.
  std::unique_lock lock(mutex_);
  std::size_t new_ones = inbox_.size();
  while (!waiting_.empty()) end_first(waiting_, lock);
  for (; new_ones > 0; --new_ones) end_first(inbox_, lock);
}

}  // namespace rwkv
