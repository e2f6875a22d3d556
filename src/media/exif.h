// Which way up a camera held the picture.
#pragma once

#include <cstddef>
#include <span>

#include "media/picture.h"

namespace rwkv {

/// The orientation (1 to 8) in an EXIF block, which begins with a TIFF header or with "Exif\0\0" before it. 1 where
/// there is none and where the block is damaged: a picture is not refused for its notes.
int exif_orientation(std::span<const std::byte> block) noexcept;

/// The picture as it is meant to be seen.
Picture upright(Picture picture, int orientation);

}  // namespace rwkv
