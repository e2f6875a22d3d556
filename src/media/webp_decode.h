// WebP by libwebp, in builds that have it.
#pragma once

#include <cstddef>
#include <span>
#include <string>

#include "media/picture_header.h"

namespace rwkv {

/// As stored, not turned; of an animation the first picture. `header` is that of `bytes`. Throws Error as
/// decode_picture does, kUnsupported where this build has no libwebp.
Picture decode_webp(std::span<const std::byte> bytes, const PictureHeader& header, const std::string& name);

}  // namespace rwkv
