// State files as the existing engine writes them.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/token.h"

namespace rwkv::test {

/// Size and bytes of the state, the tokens and the logits.
inline std::string old_state_file(const std::string& state, const Tokens& tokens, std::size_t logits) {
  std::string out;
  const auto add = [&out](const auto& values) {
    const auto bytes = static_cast<std::uint32_t>(values.size() * sizeof values[0]);
    out.append(reinterpret_cast<const char*>(&bytes), sizeof bytes);
    if (bytes > 0) out.append(reinterpret_cast<const char*>(values.data()), bytes);
  };
  add(state);
  add(tokens);
  add(std::vector<float>(logits));
  return out;
}

}  // namespace rwkv::test
