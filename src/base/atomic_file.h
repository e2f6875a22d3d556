// Files that are there whole or not at all.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <vector>

namespace rwkv {

/// Writes `parts` one after another to a temporary file beside `path`, makes sure that they are on the disk, and
/// renames it to `path` (UTF-8). Whatever happens, `path` is then the old file or the whole new one. Throws Error(kIo,
/// kInvalidArgument) naming the path.
void write_file_atomically(const std::string& path, const std::vector<std::span<const std::byte>>& parts);

}  // namespace rwkv
