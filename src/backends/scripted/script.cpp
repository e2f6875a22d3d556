#include "backends/scripted/script.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/error.h"

namespace rwkv {
namespace {

constexpr std::size_t kMaxBytes = 1u << 20;
constexpr int kMaxMicroseconds = 10'000'000;

using Json = nlohmann::json;

int bounded(const Json& json, const char* field, int highest) {
  const auto it = json.find(field);
  if (it == json.end()) return 0;
  if (!it->is_number_integer() || it->get<std::int64_t>() < 0 || it->get<std::int64_t>() > highest) {
    throw Error(ErrorCode::kBadFile,
                std::string("'") + field + "' must be a whole number from 0 to " + std::to_string(highest));
  }
  return it->get<int>();
}

std::string text(const Json& json, const char* field, const std::string& otherwise) {
  const auto it = json.find(field);
  if (it == json.end()) return otherwise;
  if (!it->is_string()) throw Error(ErrorCode::kBadFile, std::string("'") + field + "' must be a string");
  return it->get<std::string>();
}

Script script_in(const Json& json) {
  if (!json.is_object() || bounded(json, "rwkv_script", 1) != 1) {
    throw Error(ErrorCode::kBadFile, "'rwkv_script' must be 1");
  }
  Script script;
  script.name = text(json, "name", script.name);
  script.load_error = text(json, "load_error", "");
  script.load_ms = bounded(json, "load_ms", kMaxMicroseconds / 1000);
  script.needs_mb = bounded(json, "needs_mb", 1 << 30);
  script.threads = std::max(1, bounded(json, "threads", 1 << 10));
  script.prefill_us = bounded(json, "prefill_us", kMaxMicroseconds);
  script.decode_us = bounded(json, "decode_us", kMaxMicroseconds);
  if (json.contains("fail_after")) script.fail_after = bounded(json, "fail_after", 1 << 30);
  if (const auto replies = json.find("replies"); replies != json.end()) {
    if (!replies->is_array()) throw Error(ErrorCode::kBadFile, "'replies' must be a list");
    for (const Json& reply : *replies) {
      if (!reply.is_object()) throw Error(ErrorCode::kBadFile, "each of 'replies' must be an object");
      script.replies.push_back({text(reply, "when", ""), text(reply, "say", "")});
    }
  }
  return script;
}

}  // namespace

Script Script::parse(std::string_view text, const std::string& file) {
  if (text.size() > kMaxBytes) throw Error(ErrorCode::kBadFile, "'" + file + "' is too large for a script", file);
  try {
    return script_in(Json::parse(text, nullptr, false));
  } catch (const Error& error) {
    throw Error(error.code(), "'" + file + "' is not a script: " + error.what(), file);
  }
}

int Script::next_byte(std::string_view whole) const {
  // The answer begins after the last role marker; what came before it is the question.
  const std::size_t turn = whole.rfind("\n\n");
  const std::size_t colon = whole.find(':', turn == std::string_view::npos ? 0 : turn);
  const std::size_t begin = colon == std::string_view::npos ? whole.size() : colon + 1;
  std::string_view said = whole.substr(begin);
  if (colon != std::string_view::npos && said.empty()) return ' ';  // as real models begin
  if (said.starts_with(' ')) said.remove_prefix(1);
  const std::string_view before = whole.substr(0, turn == std::string_view::npos ? 0 : turn);
  const std::size_t question_at = before.rfind("\n\n");
  const std::string_view question = question_at == std::string_view::npos ? before : before.substr(question_at + 2);
  for (const Reply& reply : replies) {
    if (!reply.when.empty() && question.find(reply.when) == std::string_view::npos) continue;
    if (!std::string_view(reply.say).starts_with(said) || said.size() == reply.say.size()) return -1;
    return static_cast<unsigned char>(reply.say[said.size()]);
  }
  return -1;
}

}  // namespace rwkv
