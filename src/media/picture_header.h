// What the header of a picture tells, before anything is decoded.
#pragma once

#include <cstddef>
#include <span>
#include <string>

#include "media/picture.h"
#include "media/picture_kind.h"

namespace rwkv {

struct PictureHeader {
  PictureKind kind{};
  int width = 0;  // as stored, before it is turned upright
  int height = 0;
  int orientation = 1;  // EXIF, 1 to 8

  /// Upright.
  PictureSize size() const noexcept {
    return orientation < 5 ? PictureSize{width, height} : PictureSize{height, width};
  }
};

/// Sizes are within the limits of picture.h. Throws Error as decode_picture does.
PictureHeader read_picture_header(std::span<const std::byte> bytes, const std::string& name);

}  // namespace rwkv
