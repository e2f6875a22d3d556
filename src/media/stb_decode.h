// stb_image behind the limits of ours.
#pragma once

#include <cstddef>
#include <span>
#include <string>

#include "media/picture_header.h"

namespace rwkv {

/// JPEG, PNG, BMP, GIF and PNM as stored, not turned. `header` is that of `bytes`. Throws Error as decode_picture does.
Picture decode_with_stb(std::span<const std::byte> bytes, const PictureHeader& header, const std::string& name);

}  // namespace rwkv
