// The tokens of a model: id -> bytes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/token.h"

namespace rwkv {

/// An immutable list of tokens. Ids without bytes (token 0, padding, holes) are never produced by encoding and decode
/// to nothing. No two tokens have the same bytes.
class Vocabulary {
 public:
  static constexpr TokenId kMaxId = 1'000'000;
  static constexpr std::size_t kMaxTokenBytes = 1024;
  /// Of all tokens together: bounds what a damaged file can make a tokenizer allocate.
  static constexpr std::size_t kMaxTotalBytes = std::size_t{16} << 20;
  static constexpr std::size_t kMaxFileBytes = std::size_t{64} << 20;

  /// Reads the World text format: `ID LITERAL LENGTH` a line (`docs/FORMATS.md`). Throws Error(kNotFound, kIo,
  /// kBadFile) naming the file, the line and what is wrong with it: bad id, literal or length, a duplicate id or
  /// duplicate bytes. `path` is UTF-8.
  static Vocabulary from_file(const std::string& path);
  /// The same from memory; `name` stands for the file in messages.
  static Vocabulary from_text(std::string_view text, const std::string& name);
  /// From the escaped token texts of a GGUF file (`tokenizer.ggml.tokens`), one for each id from 0; `types` are
  /// `tokenizer.ggml.token_type` (may be empty, else as many): control (3) and unused (5) tokens get no bytes, and
  /// neither does token 0. Throws Error(kBadFile) naming the token.
  static Vocabulary from_gguf_tokens(std::span<const std::string_view> texts, std::span<const std::int32_t> types);

  /// One more than the largest id; for a GGUF list its length, padding included.
  std::size_t size() const noexcept { return offsets_.size() - 1; }
  /// Bytes of a token; empty for unknown ids and ids without bytes.
  std::string_view bytes(TokenId id) const noexcept {
    const auto i = static_cast<std::size_t>(id);
    if (id < 0 || i >= size()) return {};
    return std::string_view(pool_).substr(offsets_[i], offsets_[i + 1] - offsets_[i]);
  }
  /// In bytes.
  std::size_t longest_token() const noexcept { return longest_; }

  bool operator==(const Vocabulary&) const = default;

 private:
  class Builder;
  Vocabulary() = default;

  std::string pool_;                       // all token bytes, in id order
  std::vector<std::uint32_t> offsets_{0};  // size() + 1 borders in pool_
  std::size_t longest_ = 0;
};

}  // namespace rwkv
