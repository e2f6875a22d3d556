// The CRC-32 of ZIP archives.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace rwkv {

/// Of polynomial 0xEDB88320, reflected, as ISO 3309 has it. `before` is that of what comes before these bytes.
std::uint32_t crc32(std::span<const std::byte> bytes, std::uint32_t before = 0) noexcept;

}  // namespace rwkv
