// Base64 (RFC 4648), as texts carry files.
#pragma once

#include <cstddef>
#include <optional>
#include <string_view>
#include <vector>

namespace rwkv {

/// The bytes that `text` stands for, in the usual alphabet or that of addresses; padding may be left out. Nothing where
/// it has other characters, a length that no bytes give, or bits that are not used and not 0.
std::optional<std::vector<std::byte>> decode_base64(std::string_view text);

}  // namespace rwkv
