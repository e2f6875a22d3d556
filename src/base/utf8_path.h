// Paths from UTF-8 and back, on Windows too.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>

#include "base/error.h"

namespace rwkv {

/// Throws Error(kInvalidArgument) for a NUL, where the system would take the path to end.
inline std::filesystem::path path_from_utf8(std::string_view text) {
  if (const std::size_t at = text.find('\0'); at != std::string_view::npos) {
    throw Error(ErrorCode::kInvalidArgument,
                "a path cannot have a NUL in it; this one has one after '" + std::string(text.substr(0, at)) + "'");
  }
  return {std::u8string(text.begin(), text.end())};
}

inline std::string utf8_from_path(const std::filesystem::path& path) {
  const std::u8string text = path.u8string();
  return {text.begin(), text.end()};
}

}  // namespace rwkv
