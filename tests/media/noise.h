// The noise that tools/reference/resizing.py resizes.
#pragma once

#include <cstdint>

#include "media/picture.h"

namespace rwkv::test {

inline Picture noise(int width, int height) {
  Picture picture{width, height, {}};
  const auto count = static_cast<std::uint32_t>(width) * static_cast<std::uint32_t>(height) * 3;
  picture.rgb.reserve(count);
  for (std::uint32_t i = 0; i < count; ++i) {
    std::uint32_t hash = i * 2654435761U + 12345U;
    hash ^= hash >> 15;
    hash *= 0x85EBCA6BU;
    hash ^= hash >> 13;
    picture.rgb.push_back(static_cast<std::uint8_t>(hash & 255));
  }
  return picture;
}

}  // namespace rwkv::test
