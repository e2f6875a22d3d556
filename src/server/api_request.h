// From the body of a request to generate to tasks for a model.
#pragma once

#include <cstddef>
#include <vector>

#include "server/fields.h"
#include "server/served_model.h"

namespace rwkv::server {

/// POST /v1/chat/completions, /v1/completions, /v1/batch/chat and /v1/batch/completions.
enum class RequestKind { kChat, kCompletion, kBatchChat, kBatchCompletion };

constexpr bool is_chat(RequestKind kind) noexcept {
  return kind == RequestKind::kChat || kind == RequestKind::kBatchChat;
}
constexpr bool is_batch(RequestKind kind) noexcept {
  return kind == RequestKind::kBatchChat || kind == RequestKind::kBatchCompletion;
}

struct ApiRequest {
  RequestKind kind = RequestKind::kChat;
  /// The answers to the first prompt, then those to the second, ...
  std::vector<GenerationTask> tasks;
  std::size_t answers_each = 1;  // `n`
  bool stream = false;
  bool include_usage = false;  // in a stream, where it is not usual
};

/// Fields that are not known are ignored; such as ask for what is not built are refused. Throws ApiError and Error.
ApiRequest read_request(RequestKind kind, const Json& body, const ServedModel& model);

}  // namespace rwkv::server
