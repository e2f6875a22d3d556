// One request to generate and its answer, whole or as a stream.
#pragma once

#include <atomic>
#include <functional>
#include <string>
#include <string_view>

#include "server/api_answer.h"
#include "server/live_run.h"

namespace rwkv::server {

class Exchange {
 public:
  struct Client {
    std::function<bool()> gone;
    const std::atomic<bool>* stopping;  // the server: everything ends
  };

  Exchange(LanguageModel& model, ApiRequest request, ApiAnswer answer);

  bool streams() const noexcept { return streams_; }

  /// Generates and gives the whole answer; within some milliseconds without one when the client has gone. Throws
  /// ApiError and Error.
  OrderedJson answer(const Client& client);

  /// Generates and writes server-sent events, `data: [DONE]` last; what goes wrong is told in the stream. False when
  /// the client has gone: `write` returned false, or `client.gone` said so.
  bool stream(const Client& client, const std::function<bool(std::string_view)>& write);

 private:
  const std::vector<GenerationResult>& checked_results(const Client& client) const;

  const bool streams_;
  const bool include_usage_;
  const std::size_t answers_each_;
  const std::size_t answers_;
  ApiAnswer answer_;
  LiveRun run_;
};

}  // namespace rwkv::server
