// A checksum against damage, not against intent.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>

namespace rwkv {

inline constexpr std::uint64_t kChecksumStart = 0xCBF29CE484222325u;

/// FNV-1a over little-endian words: fast enough not to be noticed beside a copy, and any flipped bit changes it.
/// `start` is the checksum of what comes before.
inline std::uint64_t checksum(std::span<const std::byte> bytes, std::uint64_t start = kChecksumStart) noexcept {
  std::uint64_t hash = start;
  std::size_t i = 0;
  for (; i + 8 <= bytes.size(); i += 8) {
    std::uint64_t word = 0;
    std::memcpy(&word, bytes.data() + i, 8);
    hash = (hash ^ word) * 0x100000001B3u;
    hash ^= hash >> 29;
  }
  for (; i < bytes.size(); ++i) hash = (hash ^ static_cast<std::uint64_t>(bytes[i])) * 0x100000001B3u;
  return hash;
}

}  // namespace rwkv
