#include "server/live_run.h"

#include <utility>

namespace rwkv::server {

LiveRun::LiveRun(LanguageModel& model, std::timed_mutex& turn, std::vector<GenerationTask> tasks, bool wants_text)
    : model_(model), turn_(turn), wants_text_(wants_text), seen_(tasks.size()), fresh_(tasks.size()) {
  thread_ = std::thread([this, tasks = std::move(tasks)]() mutable { generate(std::move(tasks)); });
}

LiveRun::~LiveRun() {
  cancel();
  thread_.join();
}

void LiveRun::generate(std::vector<GenerationTask> tasks) {
  std::vector<GenerationResult> results;
  std::exception_ptr failure;
  try {
    std::unique_lock turn(turn_, std::defer_lock);
    while (!turn.try_lock_for(std::chrono::milliseconds(5))) cancel_.check();
    GenerationCallbacks callbacks;
    if (wants_text_) {
      callbacks.on_token = [this](std::size_t index, const Generation& generation) { take_news(index, generation); };
    }
    results = model_.generate(std::move(tasks), callbacks, cancel_);
  } catch (...) {
    failure = std::current_exception();
  }
  const std::lock_guard lock(mutex_);
  results_ = std::move(results);
  failure_ = failure;
  ended_ = true;
  changed_.notify_all();
}

void LiveRun::take_news(std::size_t index, const Generation& generation) {
  const std::string& text = generation.text();
  if (text.size() == seen_[index]) return;
  const std::lock_guard lock(mutex_);
  fresh_[index].append(text, seen_[index]);
  seen_[index] = text.size();
  has_fresh_ = true;
  changed_.notify_all();
}

bool LiveRun::wait(std::chrono::milliseconds time) {
  std::unique_lock lock(mutex_);
  changed_.wait_for(lock, time, [&] { return has_fresh_ || ended_; });
  return ended_;
}

std::vector<std::string> LiveRun::take_text() {
  std::vector<std::string> taken(fresh_.size());
  const std::lock_guard lock(mutex_);
  std::swap(taken, fresh_);
  has_fresh_ = false;
  return taken;
}

const std::vector<GenerationResult>& LiveRun::results() const {
  if (failure_) std::rethrow_exception(failure_);
  return results_;
}

}  // namespace rwkv::server
