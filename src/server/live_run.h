// A generation and the thread of the connection that waits for it.
#pragma once

#include <chrono>
#include <condition_variable>
#include <exception>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "runtime/language_model.h"

namespace rwkv::server {

/// The model writes on a thread of its own and never waits for a client; the connection's thread takes what there is
/// and looks after its client meanwhile.
class LiveRun {
 public:
  /// `model` and `turn`, which runs of one model take in turn, must outlive it. With `wants_text` the text is kept for
  /// take_text().
  LiveRun(LanguageModel& model, std::timed_mutex& turn, std::vector<GenerationTask> tasks, bool wants_text);
  LiveRun(const LiveRun&) = delete;
  LiveRun& operator=(const LiveRun&) = delete;
  /// Cancels and waits for the end.
  ~LiveRun();

  void cancel() const noexcept { cancel_.cancel(); }
  /// Returns when there is new text or the end, or after `time`. Whether it has ended.
  bool wait(std::chrono::milliseconds time);
  /// For each task what it has written since the last call.
  std::vector<std::string> take_text();
  /// Once it has ended: the results, in the order of the tasks. Throws what ended the whole run.
  const std::vector<GenerationResult>& results() const;

 private:
  void generate(std::vector<GenerationTask> tasks);
  void take_news(std::size_t index, const Generation& generation);

  LanguageModel& model_;
  std::timed_mutex& turn_;
  const bool wants_text_;
  const CancelToken cancel_;
  std::vector<std::size_t> seen_;  // bytes of each text that have gone to fresh_; of the model's thread

  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<std::string> fresh_;
  bool has_fresh_ = false;
  bool ended_ = false;
  std::vector<GenerationResult> results_;
  std::exception_ptr failure_;

  std::thread thread_;  // last: it uses all of the above
};

}  // namespace rwkv::server
