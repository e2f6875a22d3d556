// A generation and the thread of the server that sends it.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "runtime/language_model.h"

namespace rwkv::server {

/// The model writes on its own thread and never waits for a client; the server's thread takes what there is.
class LiveRun {
 public:
  /// `model` must outlive it. `on_news` is called on the model's thread when there is new text or the end; it must not
  /// throw. With `wants_text` the text is kept for take_text(). Throws Error(kInvalidArgument) for bad options.
  LiveRun(LanguageModel& model, std::vector<GenerationTask> tasks, bool wants_text, std::function<void()> on_news);
  LiveRun(const LiveRun&) = delete;
  LiveRun& operator=(const LiveRun&) = delete;
  /// Cancels and waits for the end.
  ~LiveRun();

  void cancel() const noexcept { cancel_.cancel(); }
  bool has_ended() const;
  /// For each task what it has written since the last call. All of it, if has_ended() said so before.
  std::vector<std::string> take_text();
  /// Once it has ended: in the order of the tasks.
  const std::vector<GenerationResult>& results() const;

 private:
  struct News;

  const CancelToken cancel_;
  const std::shared_ptr<News> news_;  // the model's thread may hold it for a moment longer
};

}  // namespace rwkv::server
