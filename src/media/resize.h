// Pictures of another size, to the bit as the models were trained with.
#pragma once

#include <vector>

#include "media/picture.h"

namespace rwkv {

enum class ResizeFilter { kBilinear, kBicubic };

/// Byte for byte what Pillow 11.3's Image.resize gives (widened for smaller pictures, so every pixel counts): across
/// first, then down, each pass rounded to bytes with weights of 22 bits, and left out where that side stays. Sizes are
/// from 1 to kMaxPictureSide.
Picture resize(const Picture& picture, int width, int height, ResizeFilter filter);

/// `planes` times height x width values, to the size `to`: bilinear, widened for smaller pictures, in floats
/// throughout. That is torch's interpolate(mode="bilinear", antialias=True), up to the order of additions.
std::vector<float> resize_planes(const std::vector<float>& values, int planes, PictureSize from, PictureSize to);

}  // namespace rwkv
