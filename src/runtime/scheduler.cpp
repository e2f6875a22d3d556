#include "runtime/scheduler.h"

#include <algorithm>
#include <utility>

#include "base/error_of.h"

namespace rwkv {
namespace {

bool is_cancelled(const ScheduledTask& one) { return one.task->cancel().cancelled(); }

}  // namespace

Scheduler::Scheduler(LoadedModel loaded, Evaluator::Reload reload, StateCache& cache, SpeedMeter& speeds,
                     Evaluator::Clock clock)
    : cache_(cache),
      speeds_(speeds),
      evaluator_(
          std::move(loaded), std::move(reload), [this] { return has_something_else_first(); }, clock),
      sequels_(evaluator_, cache_),
      prefill_(evaluator_, cache_, speeds_, sequels_),
      decode_(evaluator_, speeds_),
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
  std::list<ScheduledTask> scheduled;
  for (auto& task : tasks) scheduled.emplace_back().task = std::move(task);
  {
    const std::lock_guard lock(mutex_);
    for (const ScheduledTask& one : scheduled) {
      if (one.task->is_measured()) speeds_.add_task(one.task->text().size());
    }
    inbox_.splice(inbox_.end(), scheduled);
    settled_ = false;
  }
  changed_.notify_all();
}

Scheduler::Activity Scheduler::activity() const {
  const std::lock_guard lock(mutex_);
  Activity activity = activity_;
  activity.waiting = inbox_.size();
  return activity;
}

void Scheduler::wait_until_settled() {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [this] { return settled_ || stopped_; });
}

bool Scheduler::sleep() {
  std::unique_lock lock(mutex_);
  sleep_wanted_ = true;
  changed_.notify_all();
  changed_.wait(lock, [this] { return !sleep_wanted_ || stopped_; });
  return evaluator_.asleep();
}

void Scheduler::run() noexcept {
  bool goes_on = true;
  while (goes_on) {
    // An error that is no task's own leaves nothing to rely on.
    const auto error = error_of([&] {
      goes_on = take_new();
      if (!goes_on) return;
      end_finished();
      if (evaluator_.asleep() && !running_.empty()) evaluator_.wake([this] { return is_still_wanted(); });
      if (evaluator_.asleep()) return sequels_.clear();
      begin_admitted();
      const bool is_alone = running_.size() == 1 && activity_.waiting == 0;
      const bool has_prefilled = prefill_.run(running_, decode_.step_seconds(), is_alone);
      end_finished();
      const bool has_decoded = decode_.step(running_);
      end_finished();
      if (!has_prefilled && !has_decoded && running_.empty()) sequels_.prefill_one([this] { return has_news(); });
    });
    if (error) end_all(*error);
  }
  end_all(cancelled_);
}

// Waits for work. False: there will be none.
bool Scheduler::take_new() {
  std::unique_lock lock(mutex_);
  const auto is_idle = [this] { return running_.empty() && inbox_.empty(); };
  if (sleep_wanted_ && is_idle()) {
    lock.unlock();
    sequels_.clear();
    evaluator_.sleep();
    lock.lock();
  }
  if (std::exchange(sleep_wanted_, false)) changed_.notify_all();
  activity_ = {running_.size(), inbox_.size(), sequels_.size()};
  const auto has_work = [&] { return stopped_ || sleep_wanted_ || !is_idle() || activity_.sequels > 0; };
  if (!has_work()) {
    settled_ = true;
    evaluator_.cores().rest();
    changed_.notify_all();
    changed_.wait(lock, has_work);
  }
  if (stopped_) return false;
  admit();
  return true;
}

// With the lock. Tasks that have been cancelled are over; of the others as many are admitted as the model has
// sequences.
void Scheduler::admit() {
  int free = evaluator_.info().batch_sizes.back();
  for (ScheduledTask& one : running_) {
    if (is_cancelled(one)) {
      one.finish(cancelled_);
    } else {
      --free;
    }
  }
  for (auto at = inbox_.begin(); at != inbox_.end();) {
    const auto one = at++;
    if (is_cancelled(*one)) {
      one->finish(cancelled_);
    } else if (free-- <= 0) {
      continue;
    }
    running_.splice(running_.end(), inbox_, one);
  }
  activity_.running = running_.size();
  activity_.waiting = inbox_.size();
}

// Asked while the model is loaded again.
bool Scheduler::is_still_wanted() {
  {
    const std::lock_guard lock(mutex_);
    if (stopped_) return false;
    admit();
  }
  end_finished();
  return !running_.empty();
}

void Scheduler::begin_admitted() {
  for (ScheduledTask& one : running_) {
    if (one.sequence) continue;
    if (const auto error = error_of([&] { prefill_.begin(one, running_); })) one.finish(error);
  }
  end_finished();
}

void Scheduler::end_finished() {
  for (auto one = running_.begin(); one != running_.end();) {
    if (!one->is_over) {
      ++one;
      continue;
    }
    SequenceTask& task = *one->task;
    if (one->is_decoded) one->report.decode_seconds = evaluator_.seconds_since(one->first);
    remember(*one);
    prefill_.free_followers(*one, running_);
    one->sequence.reset();
    if (task.is_measured()) speeds_.remove_task(task.text().size() - one->done - (one->is_decoded ? 1 : 0));
    // A client that hears of the end may clear the cache at once, and then there is no next turn.
    const std::uint64_t clears = cache_.stats().clears;
    task.end(one->report);
    const bool has_failed = one->report.error && one->report.error->code() != ErrorCode::kCancelled;
    if (task.uses_cache() && !has_failed) sequels_.keep(task, clears);
    one = running_.erase(one);
  }
}

// Decoded states, where they are those of prefill. An evaluation that failed leaves none.
void Scheduler::remember(const ScheduledTask& one) {
  if (!one.is_decoded || !evaluator_.info().decode_equals_prefill || !one.task->uses_cache()) return;
  static_cast<void>(error_of([&] {
    Tokens whole = one.task->text();
    whole.insert(whole.end(), one.decoded.begin(), one.decoded.end());
    if (one.sequence->position() != static_cast<std::int64_t>(whole.size())) return;
    cache_.insert(whole, one.sequence->save());
  }));
}

// Takes no memory: there may be none.
void Scheduler::end_all(const Error& error) {
  {
    const std::lock_guard lock(mutex_);
    running_.splice(running_.end(), inbox_);
  }
  for (ScheduledTask& one : running_) {
    if (!one.is_over) one.finish(error);
  }
  end_finished();
}

bool Scheduler::has_news() const {
  const std::lock_guard lock(mutex_);
  return stopped_ || sleep_wanted_ || !inbox_.empty();
}

// What is worth giving up one's place among those that wait for cores: a task that has been cancelled, or any task
// where only a sequel is to be prefilled.
bool Scheduler::has_something_else_first() const {
  if (running_.empty()) return has_news();
  if (std::any_of(running_.begin(), running_.end(), is_cancelled)) return true;
  const std::lock_guard lock(mutex_);
  return stopped_ || std::any_of(inbox_.begin(), inbox_.end(), is_cancelled);
}

}  // namespace rwkv
