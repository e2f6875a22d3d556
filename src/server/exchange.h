// One request to generate and its answer, whole or as a stream.
#pragma once

#include <functional>
#include <future>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "host/run.h"
#include "server/api_answer.h"

namespace rwkv::server {

class Exchange {
 public:
  /// `model` must outlive it.
  Exchange(LanguageModel& model, ApiRequest request, ApiAnswer answer);
  Exchange(const Exchange&) = delete;
  Exchange& operator=(const Exchange&) = delete;
  /// Cancels and waits for the end.
  ~Exchange();

  bool streams() const noexcept { return streams_; }

  /// Begins to generate; what the prompts show is encoded on a thread of its own before. `on_news` is called on a
  /// thread of the model's or that one when there is something to take or the end; it must not throw. Throws
  /// Error(kInvalidArgument) for bad options.
  void start(std::function<void()> on_news);
  /// Ends soon after. The answer is then an error.
  void cancel() const noexcept { run_->cancel.cancel(); }
  bool has_ended() const { return run_->stream.ended(); }

  /// Once it has ended: the whole answer. Throws ApiError and Error, among them one that says that the server is
  /// `stopping`.
  OrderedJson answer(bool stopping) const;

  /// Server-sent events with what there is since the last call; what goes wrong is told in them, and the last one is
  /// `data: [DONE]`.
  std::string take_events(bool stopping);
  /// Whether take_events() has given the last one.
  bool is_told() const noexcept { return told_; }

 private:
  const std::vector<GenerationResult>& checked_results(bool stopping) const;
  void tell_end(std::string& events, bool stopping);

  const bool streams_;
  const bool include_usage_;
  const std::size_t answers_each_;
  LanguageModel& model_;
  std::vector<GenerationTask> tasks_;  // until it starts
  const std::size_t answers_;
  ApiAnswer answer_;
  std::shared_ptr<host::Run> run_;  // the model's thread may hold it for a moment longer
  std::future<void> end_;
  std::thread encoding_;
  std::vector<std::size_t> begun_;  // bytes of each answer that the client had before
  std::vector<std::size_t> taken_;  // bytes of each that it has
  bool opened_ = false;
  bool told_ = false;
};

}  // namespace rwkv::server
