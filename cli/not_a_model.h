// What servers send instead of a file, with a status that says all is well.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace rwkv::cli {

/// As much of a file as what_came_instead() looks at.
constexpr std::size_t kLookedAt = std::size_t{64} << 10;

/// "a web page", "an XML document", "an error message in JSON" or "a Git LFS pointer"; empty for what may be a file that
/// was asked for. `beginning` are the first bytes.
std::string what_came_instead(std::string_view beginning);

/// Whether a file of a known format (GGUF, safetensors, a checkpoint of PyTorch) has all that its header says. False for
/// others.
bool is_whole_by_its_header(const std::string& path);

}  // namespace rwkv::cli
