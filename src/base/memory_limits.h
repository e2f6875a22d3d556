// Bounds on the memory of this process that are narrower than the machine.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

namespace rwkv {

/// What the memory groups this process is in (Linux cgroups, version 1 or 2, as containers and services have them)
/// leave it: the least of its own and those above. Pages of files that the system would drop count as free. 1 is the
/// least; nothing where there is no bound. `root` is where /proc and the rest are found.
std::optional<std::uint64_t> room_in_groups(const std::string& root = "");

/// Addresses that can still be taken: what RLIMIT_AS leaves and, in a 32-bit process, the gaps between what is mapped.
/// 1 is the least; nothing where there is no bound.
std::optional<std::uint64_t> free_addresses();

/// The same for memory that is written to (RLIMIT_DATA).
std::optional<std::uint64_t> free_data();

}  // namespace rwkv
