// Transparent pictures lie over white: most of them are drawn for light pages, and what is below is black in many
// files.
#pragma once

#include <cstddef>
#include <cstdint>

namespace rwkv {

/// `pixels` times four bytes (RGBA, not premultiplied) become three.
inline void lay_over_white(const std::uint8_t* rgba, std::size_t pixels, std::uint8_t* rgb) noexcept {
  for (; pixels > 0; --pixels, rgba += 4) {
    const unsigned alpha = rgba[3];
    for (int channel = 0; channel < 3; ++channel) {
      *rgb++ = static_cast<std::uint8_t>((rgba[channel] * alpha + 255 * (255 - alpha) + 127) / 255);
    }
  }
}

}  // namespace rwkv
