// TIFF 6.0 for the block, EXIF 2.32 section 4.6.4 for the tag.
#include "media/exif.h"

#include <string>
#include <utility>

#include "media/byte_order.h"

namespace rwkv {
namespace {

constexpr std::uint16_t kOrientationTag = 0x0112;
constexpr std::uint16_t kShort = 3;

std::string_view text_of(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

int read_orientation(std::span<const std::byte> block) {
  static const std::string name = "EXIF";
  constexpr std::string_view kPrefix("Exif\0\0", 6);
  if (text_of(block).starts_with(kPrefix)) block = block.subspan(kPrefix.size());
  ByteReader reader(block, name);
  const auto order = reader.take_text(4, "byte order");
  const bool big = order == std::string_view("MM\0*", 4);
  if (!big && order != std::string_view("II*\0", 4)) return 1;
  const auto read16 = [&] { return big ? read_big16(reader, "entry") : reader.read<std::uint16_t>("entry"); };
  const std::uint32_t offset = big ? read_big32(reader, "offset") : reader.read<std::uint32_t>("offset");
  if (offset < reader.offset()) return 1;
  reader.take(offset - reader.offset(), "directory");
  for (int entries = read16(); entries > 0; --entries) {
    const std::uint16_t tag = read16();
    const std::uint16_t type = read16();
    reader.take(4, "count");
    const std::uint16_t value = read16();
    reader.take(2, "rest of the value");
    if (tag != kOrientationTag) continue;
    return type == kShort && value >= 1 && value <= 8 ? value : 1;
  }
  return 1;
}

}  // namespace

int exif_orientation(std::span<const std::byte> block) noexcept {
  try {
    return read_orientation(block);
  } catch (...) {
    return 1;
  }
}

Picture upright(Picture picture, int orientation) {
  if (orientation == 1) return picture;
  const std::ptrdiff_t width = picture.width;
  const std::ptrdiff_t height = picture.height;
  const bool turned = orientation >= 5;  // rows become columns
  // The pixel that comes first, and how far the next one lies to the right and below, in pixels of the stored picture.
  const bool from_right = orientation == 2 || orientation == 3 || orientation == 7 || orientation == 8;
  const bool from_bottom = orientation == 3 || orientation == 4 || orientation == 6 || orientation == 7;
  const std::ptrdiff_t column = from_right ? -1 : 1;
  const std::ptrdiff_t row = from_bottom ? -width : width;
  const std::ptrdiff_t right = turned ? row : column;
  const std::ptrdiff_t down = turned ? column : row;
  const std::ptrdiff_t first = (from_right ? width - 1 : 0) + (from_bottom ? (height - 1) * width : 0);

  Picture result{turned ? picture.height : picture.width, turned ? picture.width : picture.height, {}};
  result.rgb.resize(picture.rgb.size());
  std::uint8_t* out = result.rgb.data();
  for (std::ptrdiff_t y = 0; y < result.height; ++y) {
    for (std::ptrdiff_t x = 0; x < result.width; ++x) {
      const std::uint8_t* in = picture.rgb.data() + (first + x * right + y * down) * 3;
      *out++ = in[0];
      *out++ = in[1];
      *out++ = in[2];
    }
  }
  return result;
}

}  // namespace rwkv
