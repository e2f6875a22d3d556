// The most likely next tokens.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "base/token.h"

namespace rwkv {

/// The ids of the `count` largest logits, the largest first, equal ones in the order of their ids; all of them where
/// there are fewer.
std::vector<TokenId> largest_logits(std::span<const float> logits, std::size_t count);

}  // namespace rwkv
