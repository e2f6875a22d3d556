// Words shared by everything that handles tokens.
#pragma once

#include <cstdint>
#include <vector>

namespace rwkv {

using TokenId = std::int32_t;
using Tokens = std::vector<TokenId>;

/// Token 0 ends a text in every RWKV vocabulary; it has no bytes of its own.
inline constexpr TokenId kEndOfText = 0;

}  // namespace rwkv
