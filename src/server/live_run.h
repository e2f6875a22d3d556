// A generation and the thread of the connection that waits for it.
#pragma once

#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "runtime/language_model.h"

namespace rwkv::server {

/// The model writes on its own thread and never waits for a client; the connection's thread takes what there is and
/// looks after its client meanwhile.
class LiveRun {
 public:
  /// `model` must outlive it. With `wants_text` the text is kept for take_text(). Throws Error(kInvalidArgument) for
  /// bad options.
  LiveRun(LanguageModel& model, std::vector<GenerationTask> tasks, bool wants_text);
  LiveRun(const LiveRun&) = delete;
  LiveRun& operator=(const LiveRun&) = delete;
  /// Cancels and waits for the end.
  ~LiveRun();

  void cancel() const noexcept { cancel_.cancel(); }
  /// Returns when there is new text or the end, or after `time`. Whether it has ended.
  bool wait(std::chrono::milliseconds time);
  /// For each task what it has written since the last call.
  std::vector<std::string> take_text();
  /// Once it has ended: in the order of the tasks.
  const std::vector<GenerationResult>& results() const;

 private:
  struct News;

  const CancelToken cancel_;
  const std::shared_ptr<News> news_;  // the model's thread may hold it for a moment longer
};

}  // namespace rwkv::server
