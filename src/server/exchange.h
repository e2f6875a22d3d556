// One request to generate and its answer, whole or as a stream.
#pragma once

#include <functional>
#include <optional>
#include <string>

#include "server/api_answer.h"
#include "server/live_run.h"

namespace rwkv::server {

class Exchange {
 public:
  Exchange(LanguageModel& model, ApiRequest request, ApiAnswer answer);

  bool streams() const noexcept { return streams_; }

  /// Begins to generate; see LiveRun for `on_news`. Throws Error(kInvalidArgument) for bad options.
  void start(std::function<void()> on_news);
  /// Ends soon after. The answer is then an error.
  void cancel() const noexcept { run_->cancel(); }
  bool has_ended() const { return run_->has_ended(); }

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
  std::optional<LiveRun> run_;
  bool opened_ = false;
  bool told_ = false;
};

}  // namespace rwkv::server
