#include "base/crc32.h"

#include <array>
#include <cstring>

namespace rwkv {
namespace {

constexpr std::size_t kStep = 16;  // bytes at once, each by a table of its own

using Tables = std::array<std::array<std::uint32_t, 256>, kStep>;

// Table n has the CRC of each byte with n zero bytes behind it.
constexpr Tables kTables = [] {
  Tables tables{};
  for (std::uint32_t i = 0; i < 256; ++i) {
    std::uint32_t value = i;
    for (int bit = 0; bit < 8; ++bit) value = (value >> 1) ^ ((value & 1u) != 0 ? 0xEDB88320u : 0u);
    tables[0][i] = value;
  }
  for (std::size_t n = 1; n < kStep; ++n) {
    for (std::size_t i = 0; i < 256; ++i) {
      const std::uint32_t value = tables[n - 1][i];
      tables[n][i] = (value >> 8) ^ tables[0][value & 0xFFu];
    }
  }
  return tables;
}();

/// What four bytes that come `zeros` bytes before the end of a step add.
std::uint32_t part_of(std::uint32_t word, std::size_t zeros) noexcept {
  return kTables[zeros + 3][word & 0xFFu] ^ kTables[zeros + 2][word >> 8 & 0xFFu] ^
         kTables[zeros + 1][word >> 16 & 0xFFu] ^ kTables[zeros][word >> 24];
}

}  // namespace

std::uint32_t crc32(std::span<const std::byte> bytes, std::uint32_t before) noexcept {
  std::uint32_t crc = ~before;
  for (; bytes.size() >= kStep; bytes = bytes.subspan(kStep)) {
    std::array<std::uint32_t, 4> words{};
    std::memcpy(words.data(), bytes.data(), kStep);
    crc = part_of(words[0] ^ crc, 12) ^ part_of(words[1], 8) ^ part_of(words[2], 4) ^ part_of(words[3], 0);
  }
  for (const std::byte byte : bytes) crc = (crc >> 8) ^ kTables[0][(crc ^ static_cast<std::uint32_t>(byte)) & 0xFFu];
  return ~crc;
}

}  // namespace rwkv
