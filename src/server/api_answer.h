// From what a model has written to the objects that clients expect.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "server/api_error.h"
#include "server/api_request.h"
#include "server/thinking_split.h"

namespace rwkv::server {

/// The objects of one answer, whole or in a stream.
class ApiAnswer {
 public:
  /// `number` tells answers of the same second apart; `separates_thoughts` as in ServedModel.
  ApiAnswer(RequestKind kind, std::string model_name, std::int64_t unix_seconds, std::uint64_t number,
            bool separates_thoughts);

  /// `results` in the order of ApiRequest::tasks.
  OrderedJson whole(std::span<const GenerationResult> results, std::size_t answers_each) const;

  /// The first piece of a chat's answer: whose it is.
  OrderedJson opening(std::size_t index) const;
  /// `text` in the order in which it was written. Nothing while all of it may still belong to a tag.
  std::optional<OrderedJson> piece(std::size_t index, const std::string& text);
  /// The last piece of answer `index`.
  OrderedJson ending(std::size_t index, const GenerationResult& result);
  /// The last piece of answer `index` in a stream that failed.
  OrderedJson failure(std::size_t index, const ApiError& error) const;
  /// What a stream ends with where the client asked for it.
  OrderedJson usage(std::span<const GenerationResult> results, std::size_t answers_each) const;

 private:
  OrderedJson frame(const char* object) const;
  OrderedJson chunk(std::size_t index, const std::optional<std::string>& text, const OrderedJson& finish_reason) const;

  RequestKind kind_;
  std::string id_;
  std::int64_t created_;
  std::string model_name_;
  const bool separates_thoughts_;
  std::vector<ThinkingSplit> splits_;  // of the answers of a stream
};

}  // namespace rwkv::server
