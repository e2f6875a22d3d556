// Paths from UTF-8 and back, on Windows too.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>

namespace rwkv {

inline std::filesystem::path path_from_utf8(std::string_view text) { return {std::u8string(text.begin(), text.end())}; }

inline std::string utf8_from_path(const std::filesystem::path& path) {
  const std::u8string text = path.u8string();
  return {text.begin(), text.end()};
}

}  // namespace rwkv
