// Text <-> tokens: greedy longest match over bytes, the World scheme.
#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/token.h"
#include "text/byte_trie.h"
#include "text/vocabulary.h"

namespace rwkv {

/// Immutable and safe to share between threads. For the World vocabulary it takes less than 2 MB.
class Tokenizer {
 public:
  explicit Tokenizer(Vocabulary vocabulary);

  /// What encode() could not encode: a byte at a place where no token matches.
  struct Gap {
    std::size_t offset;  // in bytes from the start of the text
    unsigned char byte;

    /// "byte 0x55 at offset 3"
    std::string describe() const;
  };

  /// Appends the tokens of `text` to `out` (which is all that can allocate). Bytes without a token are skipped; the
  /// first one is returned. The literal text `<EOD>` is ordinary text here.
  std::optional<Gap> encode(std::string_view text, Tokens& out) const;

  /// The tokens of `text`. Throws Error(kInvalidArgument) with offset and byte when a byte has no token.
  Tokens encode(std::string_view text) const;

  /// Concatenated bytes; may begin or end inside a UTF-8 character. Unknown ids give nothing.
  std::string decode(std::span<const TokenId> tokens) const;
  std::string_view bytes(TokenId id) const noexcept { return vocabulary_.bytes(id); }

  const Vocabulary& vocabulary() const noexcept { return vocabulary_; }

 private:
  Vocabulary vocabulary_;
  ByteTrie trie_;
};

}  // namespace rwkv
