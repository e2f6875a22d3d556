// Numbers whose most significant byte comes first.
#pragma once

#include <cstdint>
#include <string_view>

#include "formats/byte_reader.h"

namespace rwkv {

inline std::uint16_t read_big16(ByteReader& reader, std::string_view what) {
  const auto bytes = reader.take(2, what);
  return static_cast<std::uint16_t>(std::to_integer<unsigned>(bytes[0]) << 8 | std::to_integer<unsigned>(bytes[1]));
}

inline std::uint32_t read_big32(ByteReader& reader, std::string_view what) {
  const std::uint32_t high = read_big16(reader, what);
  return high << 16 | read_big16(reader, what);
}

}  // namespace rwkv
