// Pictures and sound in a text: rows of embeddings in the place of tokens.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "base/token.h"
#include "engine/model.h"

namespace rwkv {

/// What an encoder made of a picture or a recording. Immutable once it is in a prompt.
struct Embeddings {
  std::vector<float> values;  // rows x ModelInfo::width, row-major, finite
  std::size_t rows = 0;
  std::uint64_t content = 0;  // checksum of what was encoded and of what encoded it: the same one means the same values
};

/// Embeddings that stand for the `rows` places of a text from `position` on.
struct MediaPlace {
  std::size_t position = 0;
  std::shared_ptr<const Embeddings> embeddings;
};

/// What stands in a list of tokens for row `row` of that content: a negative number, so that states after it are found
/// under it as under text, and it is never taken for a token.
TokenId media_token(std::uint64_t content, std::size_t row) noexcept;

inline bool is_media(TokenId token) noexcept { return token < 0; }

/// The values of the rows that stand for tokens [begin, end) of a text: of one place, or empty if these are tokens.
std::span<const float> media_rows(std::span<const MediaPlace> media, std::size_t begin, std::size_t end) noexcept;

/// What an evaluation of `count` tokens of a text from `begin` on takes: tokens, or the rows of one place.
EvalItem item_of(std::span<const TokenId> text, std::span<const MediaPlace> media, std::size_t begin,
                 std::size_t count) noexcept;

/// Where tokens and rows meet, ascending: no evaluation goes across.
std::vector<std::size_t> media_borders(std::span<const MediaPlace> media);

}  // namespace rwkv
