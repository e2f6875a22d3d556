// Arrays of strings as clients pass them.
#pragma once

#include <optional>
#include <string>
#include <vector>

namespace rwkv::capi {

/// More than any conversation has: a larger number is not a count.
inline constexpr int kMostTexts = 1 << 16;

/// Copies; nothing for a null array or element and for a number that is no count of at least 1.
inline std::optional<std::vector<std::string>> copy_texts(const char* const* texts, int count) {
  if (texts == nullptr || count <= 0 || count > kMostTexts) return std::nullopt;
  std::vector<std::string> copies;
  for (int i = 0; i < count; ++i) {
    if (texts[i] == nullptr) return std::nullopt;
    copies.emplace_back(texts[i]);
  }
  return copies;
}

}  // namespace rwkv::capi
