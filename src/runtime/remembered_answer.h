// An answer as the following turns of its conversation show it.
#pragma once

#include <string_view>

namespace rwkv {

/// Newlines at its ends are gone, all else stays as it was written, so that the state that was remembered with it is
/// found again. What writes a prompt and what remembers an answer both use this.
inline std::string_view remembered_answer(std::string_view answer) {
  const auto is_newline = [](char c) { return c == '\n' || c == '\r'; };
  while (!answer.empty() && is_newline(answer.front())) answer.remove_prefix(1);
  while (!answer.empty() && is_newline(answer.back())) answer.remove_suffix(1);
  return answer;
}

}  // namespace rwkv
