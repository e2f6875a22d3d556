#include "media/picture.h"

#include <utility>

#include "media/exif.h"
#include "media/picture_header.h"
#include "media/stb_decode.h"
#include "media/webp_decode.h"

namespace rwkv {

Picture decode_picture(std::span<const std::byte> bytes, const std::string& name) {
  const PictureHeader header = read_picture_header(bytes, name);
  Picture stored =
      header.kind == PictureKind::kWebp ? decode_webp(bytes, header, name) : decode_with_stb(bytes, header, name);
  return upright(std::move(stored), header.orientation);
}

}  // namespace rwkv
