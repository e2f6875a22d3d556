// Values of a GGUF header, each within its bounds.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "formats/gguf.h"

namespace rwkv::media {

/// Reads of a file that outlives it. All throw Error(kBadFile) for a value of another type or out of its bounds.
class HeaderKeys {
 public:
  explicit HeaderKeys(const GgufFile& file) : file_(file) {}

  bool has(std::string_view key) const { return file_.find(key) != nullptr; }
  /// Throws Error(kBadFile) where the key is missing, too.
  std::int64_t whole(std::string_view key, std::int64_t least, std::int64_t most) const;
  std::int64_t whole_or(std::string_view key, std::int64_t otherwise, std::int64_t least, std::int64_t most) const;
  /// Positive and finite.
  float real_or(std::string_view key, float otherwise) const;
  bool flag(std::string_view key) const;
  /// Empty where the key is missing.
  std::string_view text(std::string_view key) const;
  /// A finite value for each colour.
  std::array<float, 3> colours_or(std::string_view key, float otherwise) const;

 private:
  [[noreturn]] void fail(std::string_view key, const std::string& reason) const;

  const GgufFile& file_;
};

}  // namespace rwkv::media
