#include "server/api_answer.h"

#include <utility>

namespace rwkv::server {
namespace {

struct Names {
  const char* id;
  const char* object;
  const char* chunk;
};

Names names_of(RequestKind kind) {
  switch (kind) {
    case RequestKind::kChat: return {"chatcmpl-", "chat.completion", "chat.completion.chunk"};
    case RequestKind::kCompletion: return {"cmpl-", "text_completion", "text_completion"};
    case RequestKind::kBatchChat: return {"chat-batch-", "batch.chat.completion", "batch.chat.completion.chunk"};
    case RequestKind::kBatchCompletion: return {"cmpl-batch-", "batch.completion", "batch.completion.chunk"};
  }
  return {};
}

const char* finish_reason(EndReason reason) {
  switch (reason) {
    case EndReason::kEos:
    case EndReason::kStop: return "stop";
    case EndReason::kLength: return "length";
    case EndReason::kCancelled:
    case EndReason::kError: return "error";
  }
  return "error";
}

double per_token_ms(double tokens_per_second) { return tokens_per_second > 0 ? 1000 / tokens_per_second : 0; }

OrderedJson timings_of(const GenerationResult& result) {
  return {{"prompt_per_token_ms", per_token_ms(result.prefill_speed())},
          {"prompt_per_second", result.prefill_speed()},
          {"predicted_n", result.tokens.size()},
          {"predicted_per_token_ms", per_token_ms(result.decode_speed())},
          {"predicted_per_second", result.decode_speed()}};
}

// Both parts, or the one that there is.
void add_parts(OrderedJson& to, const ThinkingSplit::Parts& parts) {
  if (!parts.thoughts.empty()) to["reasoning_content"] = parts.thoughts;
  if (!parts.content.empty()) to["content"] = parts.content;
}

// A prompt counts once, however many answers were asked for.
OrderedJson usage_of(std::span<const GenerationResult> results, std::size_t answers_each) {
  std::size_t prompt = 0;
  std::size_t cached = 0;
  std::size_t written = 0;
  for (std::size_t i = 0; i < results.size(); ++i) {
    written += results[i].tokens.size();
    if (i % answers_each != 0) continue;
    prompt += static_cast<std::size_t>(results[i].prompt_tokens);
    cached += static_cast<std::size_t>(results[i].cached_tokens);
  }
  return {{"prompt_tokens", prompt},
          {"completion_tokens", written},
          {"total_tokens", prompt + written},
          {"prompt_tokens_details", {{"cached_tokens", cached}}}};
}

}  // namespace

ApiAnswer::ApiAnswer(RequestKind kind, std::string model_name, std::int64_t unix_seconds, std::uint64_t number,
                     bool separates_thoughts)
    : kind_(kind),
      id_(names_of(kind).id + std::to_string(unix_seconds) + "-" + std::to_string(number)),
      created_(unix_seconds),
      model_name_(std::move(model_name)),
      separates_thoughts_(separates_thoughts && is_chat(kind)) {}

OrderedJson ApiAnswer::frame(const char* object) const {
  return {{"id", id_},
          {"object", object},
          {"created", created_},
          {"model", model_name_},
          {"choices", OrderedJson::array()}};
}

// Without a text the delta of a chat stays empty.
OrderedJson ApiAnswer::chunk(std::size_t index, const std::optional<std::string>& text,
                             const OrderedJson& reason) const {
  OrderedJson choice{{"index", index}};
  if (!is_chat(kind_)) {
    choice["text"] = text.value_or("");
  } else {
    choice["delta"] = text ? OrderedJson{{"content", *text}} : OrderedJson::object();
  }
  choice["finish_reason"] = reason;
  OrderedJson chunk = frame(names_of(kind_).chunk);
  chunk["choices"].push_back(std::move(choice));
  return chunk;
}

OrderedJson ApiAnswer::whole(std::span<const GenerationResult> results, std::size_t answers_each) const {
  OrderedJson answer = frame(names_of(kind_).object);
  OrderedJson timings = OrderedJson::array();
  for (std::size_t i = 0; i < results.size(); ++i) {
    OrderedJson choice{{"index", i}};
    if (is_chat(kind_)) {
      OrderedJson& message = choice["message"] = {{"role", "assistant"}, {"content", ""}};
      if (separates_thoughts_) {
        ThinkingSplit split;
        ThinkingSplit::Parts parts = split.push(results[i].text);
        const ThinkingSplit::Parts rest = split.finish();
        add_parts(message, {parts.thoughts + rest.thoughts, parts.content + rest.content});
      } else {
        message["content"] = results[i].text;
      }
    } else {
      choice["text"] = results[i].text;
    }
    choice["finish_reason"] = finish_reason(results[i].reason);
    answer["choices"].push_back(std::move(choice));
    timings.push_back(timings_of(results[i]));
  }
  answer["usage"] = usage_of(results, answers_each);
  answer["timings"] = results.size() == 1 && !is_batch(kind_) ? timings[0] : timings;
  return answer;
}

OrderedJson ApiAnswer::opening(std::size_t index) const {
  OrderedJson first = chunk(index, "", nullptr);
  if (is_chat(kind_)) first["choices"][0]["delta"] = {{"role", "assistant"}, {"content", ""}};
  return first;
}

std::optional<OrderedJson> ApiAnswer::piece(std::size_t index, const std::string& text) {
  if (!separates_thoughts_) return chunk(index, text, nullptr);
  if (splits_.size() <= index) splits_.resize(index + 1);
  const ThinkingSplit::Parts parts = splits_[index].push(text);
  if (parts.thoughts.empty() && parts.content.empty()) return std::nullopt;
  OrderedJson next = chunk(index, std::nullopt, nullptr);
  add_parts(next["choices"][0]["delta"], parts);
  return next;
}

OrderedJson ApiAnswer::ending(std::size_t index, const GenerationResult& result) {
  OrderedJson last = chunk(index, std::nullopt, finish_reason(result.reason));
  if (index < splits_.size()) add_parts(last["choices"][0]["delta"], splits_[index].finish());
  last["timings"] = timings_of(result);
  return last;
}

OrderedJson ApiAnswer::failure(std::size_t index, const ApiError& error) const {
  OrderedJson last = chunk(index, std::nullopt, "error");
  last.update(error.to_json());
  return last;
}

OrderedJson ApiAnswer::usage(std::span<const GenerationResult> results, std::size_t answers_each) const {
  OrderedJson chunk = frame(names_of(kind_).chunk);
  chunk["usage"] = usage_of(results, answers_each);
  return chunk;
}

}  // namespace rwkv::server
