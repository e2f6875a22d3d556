#include "runtime/media.h"

namespace rwkv {

TokenId media_token(std::uint64_t content, std::size_t row) noexcept {
  // The finaliser of splitmix64: neighbouring rows have nothing in common.
  std::uint64_t x = content + (static_cast<std::uint64_t>(row) + 1) * 0x9E3779B97F4A7C15ULL;
  x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9ULL;
  x = (x ^ (x >> 27)) * 0x94D049BB133111EBULL;
  x ^= x >> 31;
  return -1 - static_cast<TokenId>(x & 0x7FFFFFFF);
}

std::span<const float> media_rows(std::span<const MediaPlace> media, std::size_t begin, std::size_t end) noexcept {
  for (const MediaPlace& place : media) {
    if (begin < place.position || end > place.position + place.embeddings->rows) continue;
    const std::size_t width = place.embeddings->values.size() / place.embeddings->rows;
    return std::span(place.embeddings->values).subspan((begin - place.position) * width, (end - begin) * width);
  }
  return {};
}

EvalItem item_of(std::span<const TokenId> text, std::span<const MediaPlace> media, std::size_t begin,
                 std::size_t count) noexcept {
  const std::span<const float> rows = media_rows(media, begin, begin + count);
  if (!rows.empty()) return {.embeddings = rows};
  return {.tokens = text.subspan(begin, count)};
}

std::vector<std::size_t> media_borders(std::span<const MediaPlace> media) {
  std::vector<std::size_t> borders;
  for (const MediaPlace& place : media) {
    if (place.position > 0 && (borders.empty() || borders.back() != place.position)) borders.push_back(place.position);
    borders.push_back(place.position + place.embeddings->rows);
  }
  return borders;
}

}  // namespace rwkv
