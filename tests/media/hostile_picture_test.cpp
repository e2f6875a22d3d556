// What no picture may do: take memory or time beyond its size, be read beyond its end, or end the process.
#include <gtest/gtest.h>

#include <cstdint>
#include <string>

#include "media/media_file.h"
#include "media/picture.h"
#include "support/hostile.h"
#include "support/refusal.h"

namespace rwkv {
namespace {

using test::bytes_of;
using test::expect_words;
using test::media_file;
using test::refusal;

std::string big32(std::uint32_t value) {
  std::string bytes;
  for (int shift = 24; shift >= 0; shift -= 8) bytes += static_cast<char>(value >> shift & 0xFF);
  return bytes;
}

std::string little(std::uint32_t value, int count) {
  std::string bytes;
  for (int i = 0; i < count; ++i) bytes += static_cast<char>(value >> 8 * i & 0xFF);
  return bytes;
}

std::string png_header(std::uint32_t width, std::uint32_t height) {
  return "\x89PNG\r\n\x1A\n" + big32(13) + "IHDR" + big32(width) + big32(height) + std::string("\x08\x02\0\0\0sum.", 9);
}

TEST(HostilePicture, EveryCutAndEveryFlippedBitIsRefusedOrRead) {
  for (const char* name : {"full.jpg",
                           "half.jpg",
                           "progressive.jpg",
                           "grey.jpg",
                           "exif6.jpg",
                           "rgb.png",
                           "palette_transparent.png",
                           "rgb16.png",
                           "interlaced.png",
                           "exif5.png",
                           "rgb.bmp",
                           "palette.bmp",
                           "animated.gif",
                           "transparent.gif",
                           "grey.pgm",
                           "rgb.ppm",
                           "lossy.webp",
                           "alpha.webp",
                           "animated.webp",
                           "exif8.webp"}) {
    SCOPED_TRACE(name);
    const std::string file = media_file(std::string("pictures/") + name);
    const auto use = [&](std::span<const std::byte> bytes) {
      const PictureSize size = picture_size(bytes, "p");
      const Picture picture = decode_picture(bytes, "p");
      EXPECT_EQ(picture.size(), size);
      EXPECT_EQ(picture.rgb.size(), static_cast<std::size_t>(size.width) * static_cast<std::size_t>(size.height) * 3);
    };
    EXPECT_GT(test::cut_everywhere(file, use).refused, 10);
    test::flip_everywhere(file, 0, std::min<std::size_t>(file.size(), 500), use);
  }
}

TEST(HostilePicture, ASizeBeyondTheLimitsIsRefusedFromTheHeader) {
  const std::string bmp = "BM" + std::string(12, '\0') + little(40, 4);
  const std::string jpeg("\xFF\xD8\xFF\xC0\0\x11\x08\xC3\x50\xC3\x50\x03\x01\x11\0\x02\x11\0\x03\x11\0", 21);
  const std::string gif = "GIF89a" + little(50000, 2) + little(50000, 2);
  for (const std::string& file :
       {png_header(50000, 50000), png_header(1, 50000), png_header(50000, 1), png_header(20000, 20000),
        png_header(0xFFFFFFFF, 0xFFFFFFFF), bmp + little(50000, 4) + little(50000, 4),
        bmp + little(5, 4) + little(0x80000000, 4), jpeg, gif, std::string("P6 50000 50000 255\n"),
        std::string("P5 99999999999999999999999 1 255\n"),
        std::string("RIFF\xFF\xFF\0\0WEBPVP8X\x0A\0\0\0\0\0\0\0\xFF\xFF\xFF\xFF\xFF\xFF", 30)}) {
    for (const bool decode : {false, true}) {
      const std::string said = refusal(ErrorCode::kUnsupported, [&] {
        decode ? void(decode_picture(bytes_of(file), "huge")) : void(picture_size(bytes_of(file), "huge"));
      });
      expect_words(said, {"'huge'", "30000", "100 million", "scale it down"});
    }
  }
  EXPECT_EQ(picture_size(bytes_of(png_header(10000, 10000)), "p"), (PictureSize{10000, 10000}));
  EXPECT_EQ(picture_size(bytes_of(png_header(1, 30000)), "p"), (PictureSize{1, 30000}));
}

TEST(HostilePicture, NoPixelsAreNoPicture) {
  for (const std::string& file : {png_header(0, 5), png_header(5, 0), std::string("P6 0 1 255\n")}) {
    expect_words(refusal(ErrorCode::kBadFile, [&] { decode_picture(bytes_of(file), "none"); }), {"damaged"});
  }
}

/// A zlib stream (RFC 1950, 1951) of `runs` times 258 zeros, by the fixed codes: 13 bits a run.
std::string packed_zeros(int runs) {
  std::string stream("\x78\x01", 2);
  unsigned bits = 0;
  int count = 0;
  const auto put = [&](unsigned value, int length) {
    bits |= value << count;
    for (count += length; count >= 8; count -= 8, bits >>= 8) stream += static_cast<char>(bits & 0xFF);
  };
  put(0b011, 3);       // last block, fixed codes
  put(0b00001100, 8);  // the literal 0: 00110000, first bit first
  for (int run = 0; run < runs; ++run) {
    put(0b10100011, 8);  // length 258: 11000101
    put(0, 5);           // distance 1
  }
  put(0, 7 + 7);  // end of the block
  return stream + "sum.";
}

TEST(HostilePicture, APngThatUnpacksToMoreThanItsSizeIsRefused) {
  for (const int runs : {0, 10'000, 100'000}) {
    const std::string packed = packed_zeros(runs);
    const std::string file = png_header(1, 1) + big32(static_cast<std::uint32_t>(packed.size())) + "IDAT" + packed +
                             "sum." + big32(0) + "IEND" + "sum.";
    const auto error = error_of([&] { decode_picture(bytes_of(file), "bomb"); });
    ASSERT_TRUE(error);
    EXPECT_EQ(to_string(error->code()), "bad_file");
    EXPECT_EQ(std::string(error->what()).find("holds more than") != std::string::npos, runs > 0) << error->what();
  }
}

TEST(HostilePicture, AProgressiveJpegOfManyScansIsRefused) {
  const std::string file = media_file("pictures/progressive.jpg");
  const std::size_t scan = file.find("\xFF\xDA");
  const std::size_t next = file.find("\xFF", scan + 2);
  std::string many = file;
  for (int i = 0; i < 200; ++i) many.insert(scan, file.substr(scan, next - scan));
  expect_words(refusal(ErrorCode::kUnsupported, [&] { picture_size(bytes_of(many), "slow"); }),
               {"scans", "ordinary JPEG"});
}

}  // namespace
}  // namespace rwkv
