// JSON texts from outside, read within bounds.
#pragma once

#include <cstddef>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

namespace rwkv {

using Json = nlohmann::json;

inline constexpr std::size_t kMaxMessageBytes = std::size_t{64} << 20;
inline constexpr int kMaxMessageDepth = 64;

/// Reads the text of a message. Of repeated keys the last counts; a surrogate escaped alone becomes U+FFFD. Throws
/// Error(kInvalidArgument) for one that is too long, too deep, of over 1,000,000 values or not JSON, without its text.
/// Where memory may be lacking a JsonTree holds what comes back.
Json parse_message(std::string_view text);
/// One line of valid UTF-8 without the line break; bytes that are not UTF-8 become U+FFFD.
std::string to_text(Json json);

}  // namespace rwkv
