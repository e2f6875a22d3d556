// What lies in a folder.
#pragma once

#include <filesystem>
#include <string>
#include <system_error>
#include <vector>

namespace rwkv {

/// Names in UTF-8, sorted, without those of the folder itself and the one above. What cannot be read is said in `code`;
/// names read until then come back. Throws std::bad_alloc: the iterator of GCC's library ends the process instead.
std::vector<std::string> names_in(const std::filesystem::path& folder, std::error_code& code);

}  // namespace rwkv
