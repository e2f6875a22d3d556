// Sources: JPEG: ITU-T T.81 annex B; PNG 3rd edition; GIF89a; BMP: the headers of Windows and OS/2; Netpbm's pgm(5) and
// ppm(5); WebP: RFC 9649.
#include "media/picture_header.h"

#include <algorithm>
#include <cstdint>
#include <string_view>

#include "media/byte_order.h"
#include "media/exif.h"

namespace rwkv {
namespace {

// A progressive JPEG is decoded once for each scan, so many scans of few bytes would take hours. Encoders write about
// ten.
constexpr std::int64_t kMaxScans = 100;
constexpr std::int64_t kMaxScannedPixels = 4'000'000'000;

[[noreturn]] void refuse(const std::string& name, const std::string& reason) {
  throw Error(ErrorCode::kUnsupported, "'" + name + "' " + reason, name);
}

bool is_frame(unsigned marker) {
  return marker >= 0xC0 && marker <= 0xCF && marker != 0xC4 && marker != 0xC8 && marker != 0xCC;
}

/// The next marker at or after the reader's place, which is then behind it; 0 at the end.
unsigned next_marker(ByteReader& reader, std::span<const std::byte> bytes) {
  while (true) {
    const auto rest = bytes.subspan(reader.offset());
    const auto at = std::find(rest.begin(), rest.end(), std::byte{0xFF});
    if (rest.end() - at < 2) return 0;
    reader.take(static_cast<std::uint64_t>(at - rest.begin()) + 1, "marker");
    const auto marker = std::to_integer<unsigned>(bytes[reader.offset()]);
    if (marker == 0xFF) continue;  // a filler before the marker
    reader.take(1, "marker");
    if (marker != 0) return marker;  // 0: a byte of the data that happens to be 0xFF
  }
}

void read_frame(ByteReader& reader, unsigned marker, PictureHeader& header) {
  const std::string& name = reader.name();
  if (marker > 0xC2) {
    refuse(name,
           "is a JPEG of a kind that hardly any program reads (lossless, hierarchical or arithmetic coding): save it "
           "as an "
           "ordinary JPEG or as PNG");
  }
  const auto bits = std::to_integer<int>(reader.take(1, "precision")[0]);
  if (bits != 8) refuse(name, "is a JPEG of " + std::to_string(bits) + " bits a value: save it with 8 bits, or as PNG");
  header.height = read_big16(reader, "height");
  header.width = read_big16(reader, "width");
  const auto components = std::to_integer<int>(reader.take(1, "components")[0]);
  if (components == 4) refuse(name, "is a JPEG for print (CMYK): save it as RGB");
}

void read_jpeg(ByteReader& reader, std::span<const std::byte> bytes, PictureHeader& header) {
  std::int64_t scans = 0;
  reader.take(2, "start of a JPEG");
  while (const unsigned marker = next_marker(reader, bytes)) {
    if (marker == 0xD9) break;                                           // end of the picture; others may follow
    if (marker == 0x01 || (marker >= 0xD0 && marker <= 0xD8)) continue;  // these have no content
    if (reader.remaining() < 2) break;
    const std::uint16_t length = read_big16(reader, "length");
    if (length < 2) reader.fail("a part of the JPEG has no length: the file is damaged, get it again");
    const auto part = bytes.subspan(reader.offset(), std::min<std::size_t>(length - 2, reader.remaining()));
    if (marker == 0xDA) ++scans;
    if (marker == 0xE1 && header.orientation == 1) header.orientation = exif_orientation(part);
    if (is_frame(marker)) {
      if (header.width != 0) reader.fail("the JPEG has two frames: the file is damaged, get it again");
      ByteReader frame(part, reader.name());
      read_frame(frame, marker, header);
    }
    reader.take(part.size(), "part");
  }
  if (header.width == 0) reader.fail("the JPEG tells no size: the file is cut off or damaged, get it again");
  const std::int64_t pixels = std::int64_t{header.width} * header.height;
  if (scans > kMaxScans || scans * pixels > kMaxScannedPixels) {
    refuse(reader.name(), "is a progressive JPEG of " + std::to_string(scans) +
                              " scans, which would take very long to decode: save it as an ordinary JPEG");
  }
}

int bounded(std::uint32_t value) { return static_cast<int>(std::min<std::uint32_t>(value, 0x7FFFFFFF)); }

void read_png(ByteReader& reader, PictureHeader& header) {
  reader.take(8, "signature");
  bool known = false;
  while (reader.remaining() >= 12) {
    const std::uint32_t length = read_big32(reader, "length of a chunk");
    const auto kind = reader.take_text(4, "kind of a chunk");
    if (!known) {
      if (kind == "CgBI") {  // comes first in the PNGs inside iOS apps
        reader.take(std::uint64_t{length} + 4, "chunk");
        continue;
      }
      if (kind != "IHDR" || length != 13) break;
      header.width = bounded(read_big32(reader, "width"));
      header.height = bounded(read_big32(reader, "height"));
      reader.take(5 + 4, "header");
      known = true;
      continue;
    }
    if (kind == "IEND" || length > reader.remaining()) break;
    const auto content = reader.take(length, "chunk");
    if (kind == "eXIf") header.orientation = exif_orientation(content);
    if (reader.remaining() < 4) break;
    reader.take(4, "check sum");
  }
  if (!known) reader.fail("the PNG has no header: the file is cut off or damaged, get it again");
}

void read_bmp(ByteReader& reader, PictureHeader& header) {
  reader.take(14, "header");
  const auto length = reader.read<std::uint32_t>("length of the header");
  if (length == 12) {
    header.width = reader.read<std::uint16_t>("width");
    header.height = reader.read<std::uint16_t>("height");
    return;
  }
  header.width = bounded(reader.read<std::uint32_t>("width"));
  const auto height = reader.read<std::int32_t>("height");  // below zero: rows from top to bottom
  header.height = bounded(height < 0 ? 0U - static_cast<std::uint32_t>(height) : static_cast<std::uint32_t>(height));
}

void read_gif(ByteReader& reader, PictureHeader& header) {
  reader.take(6, "signature");
  header.width = reader.read<std::uint16_t>("width");
  header.height = reader.read<std::uint16_t>("height");
}

/// A decimal number after white space and comments.
int read_pnm_number(ByteReader& reader, std::string_view what) {
  const auto next = [&] { return reader.take_text(1, what)[0]; };
  char byte = next();
  while (byte == '#' || byte == ' ' || (byte >= '\t' && byte <= '\r')) {
    if (byte == '#') {
      while (byte != '\n' && byte != '\r') byte = next();
    }
    byte = next();
  }
  std::uint32_t value = 0;
  if (byte < '0' || byte > '9') reader.fail(std::string("the ") + std::string(what) + " is no number");
  for (; byte >= '0' && byte <= '9'; byte = next())
    value = std::min(value * 10 + static_cast<unsigned>(byte - '0'), 1U << 24);
  return bounded(value);
}

void read_pnm(ByteReader& reader, PictureHeader& header) {
  reader.take(2, "signature");
  header.width = read_pnm_number(reader, "width");
  header.height = read_pnm_number(reader, "height");
}

std::uint32_t read_little24(ByteReader& reader, std::string_view what) {
  const std::uint32_t low = reader.read<std::uint16_t>(what);
  return low | std::to_integer<std::uint32_t>(reader.take(1, what)[0]) << 16;
}

/// The size in the first chunk; what follows is looked through for EXIF only.
void read_webp(ByteReader& reader, PictureHeader& header) {
  reader.take(12, "signature");
  bool known = false;
  while (reader.remaining() >= 8) {
    const auto kind = reader.take_text(4, "kind of a chunk");
    const auto length = reader.read<std::uint32_t>("length of a chunk");
    if (!known) {
      ByteReader content(reader);
      if (kind == "VP8X") {
        content.take(4, "flags");
        header.width = bounded(read_little24(content, "width") + 1);
        header.height = bounded(read_little24(content, "height") + 1);
      } else if (kind == "VP8L") {
        content.take(1, "signature");
        const auto bits = content.read<std::uint32_t>("size");
        header.width = bounded((bits & 0x3FFF) + 1);
        header.height = bounded((bits >> 14 & 0x3FFF) + 1);
      } else if (kind == "VP8 ") {
        content.take(6, "frame header");
        header.width = content.read<std::uint16_t>("width") & 0x3FFF;
        header.height = content.read<std::uint16_t>("height") & 0x3FFF;
      } else {
        break;
      }
      known = true;
    }
    const std::uint64_t padded = std::uint64_t{length} + length % 2;
    if (kind == "EXIF") {
      const auto rest = std::min<std::uint64_t>(length, reader.remaining());
      header.orientation = exif_orientation(ByteReader(reader).take(rest, "EXIF"));
    }
    if (padded > reader.remaining()) break;
    reader.take(padded, "chunk");
  }
  if (!known) reader.fail("the WebP has no picture: the file is cut off or damaged, get it again");
}

void check_size(const PictureHeader& header, const std::string& name) {
  const std::string size = std::to_string(header.width) + " x " + std::to_string(header.height);
  if (header.width == 0 || header.height == 0) {
    throw Error(ErrorCode::kBadFile, "'" + name + "' says it has " + size + " pixels: the file is damaged", name);
  }
  if (header.width > kMaxPictureSide || header.height > kMaxPictureSide ||
      std::int64_t{header.width} * header.height > kMaxPicturePixels) {
    refuse(name, "has " + size + " pixels; up to " + std::to_string(kMaxPictureSide) + " a side and " +
                     std::to_string(kMaxPicturePixels / 1'000'000) + " million together are read: scale it down first");
  }
}

}  // namespace

PictureHeader read_picture_header(std::span<const std::byte> bytes, const std::string& name) {
  PictureHeader header;
  header.kind = picture_kind(bytes, name);
  ByteReader reader(bytes, name);
  switch (header.kind) {
    case PictureKind::kJpeg: read_jpeg(reader, bytes, header); break;
    case PictureKind::kPng: read_png(reader, header); break;
    case PictureKind::kBmp: read_bmp(reader, header); break;
    case PictureKind::kGif: read_gif(reader, header); break;
    case PictureKind::kPnm: read_pnm(reader, header); break;
    case PictureKind::kWebp: read_webp(reader, header); break;
  }
  check_size(header, name);
  return header;
}

PictureSize picture_size(std::span<const std::byte> bytes, const std::string& name) {
  return read_picture_header(bytes, name).size();
}

}  // namespace rwkv
