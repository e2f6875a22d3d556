// A World vocabulary as JSON, the form that web-rwkv and ai00 ship: {"1": "\u0000", "129": [128]}.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

namespace rwkv {

/// Gives each token's id and bytes to `token`, in the file's order, until that says what is wrong with one. A text
/// means its UTF-8, a list its bytes. Returns what is wrong and where, or nothing.
std::string read_json_vocabulary(std::string_view json,
                                 const std::function<std::string(std::uint64_t id, std::string_view bytes)>& token);

}  // namespace rwkv
