#include "runtime/largest_logits.h"

#include <algorithm>
#include <numeric>

namespace rwkv {

std::vector<TokenId> largest_logits(std::span<const float> logits, std::size_t count) {
  count = std::min(count, logits.size());
  std::vector<TokenId> ids(logits.size());
  std::iota(ids.begin(), ids.end(), 0);
  const auto better = [&](TokenId a, TokenId b) {
    const float x = logits[static_cast<std::size_t>(a)];
    const float y = logits[static_cast<std::size_t>(b)];
    return x > y || (x == y && a < b);
  };
  std::partial_sort(ids.begin(), ids.begin() + static_cast<std::ptrdiff_t>(count), ids.end(), better);
  ids.resize(count);
  return ids;
}

}  // namespace rwkv
