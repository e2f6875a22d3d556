// Pictures against what Pillow reads out of the same files (tools/reference/pictures.py).
#include "media/picture.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <map>
#include <string>

#include "media/media_file.h"
#include "support/refusal.h"

namespace rwkv {
namespace {

using test::bytes_of;
using test::expect_words;
using test::media_file;
using test::refusal;

bool is_webp(const std::string& name) { return name.ends_with(".webp"); }

bool reads_webp() {
  static const bool reads = !error_of([] { decode_picture(bytes_of(media_file("pictures/lossless.webp")), "p"); });
  return reads;
}

TEST(Picture, EachKindHasThePixelsThatPillowReads) {
  int pictures = 0;
  for (const auto& expected : test::media_json("pictures/pictures.json")) {
    const std::string name = expected["file"];
    if (is_webp(name) && !reads_webp()) continue;
    SCOPED_TRACE(name);
    const std::string file = media_file("pictures/" + name);
    const Picture picture = decode_picture(bytes_of(file), name);
    ASSERT_EQ(picture.width, expected["width"].get<int>());
    ASSERT_EQ(picture.height, expected["height"].get<int>());
    const std::string hex = expected["rgb"];
    ASSERT_EQ(picture.rgb.size() * 2, hex.size());
    int furthest = 0;
    for (std::size_t i = 0; i < picture.rgb.size(); ++i) {
      const int value = std::stoi(hex.substr(i * 2, 2), nullptr, 16);
      furthest = std::max(furthest, std::abs(picture.rgb[i] - value));
    }
    EXPECT_LE(furthest, expected["tolerance"].get<int>());
    ++pictures;
  }
  EXPECT_GT(pictures, 30);
}

TEST(Picture, ItsSizeIsKnownWithoutDecodingItUprightToo) {
  for (const auto& expected : test::media_json("pictures/pictures.json")) {
    const std::string name = expected["file"];
    const std::string file = media_file("pictures/" + name);
    const PictureSize size = picture_size(bytes_of(file), name);
    EXPECT_EQ(size, (PictureSize{expected["width"], expected["height"]})) << name;
  }
}

TEST(Picture, ADamagedOrientationIsNone) {
  const std::string file = media_file("pictures/exif6.png");
  const std::size_t block = file.find("eXIf") + 4;
  const PictureSize stored = picture_size(bytes_of(media_file("pictures/rgb.png")), "p");
  EXPECT_NE(picture_size(bytes_of(file), "p"), stored);
  for (std::size_t at = 0; at < 12; ++at) {
    if (at == 8 || at == 9) continue;  // how many entries there are; the first one tells
    std::string damaged = file;
    damaged[block + at] = '\x7F';
    EXPECT_EQ(picture_size(bytes_of(damaged), "p"), stored) << at;
  }
}

TEST(Picture, AnOrientationMayComeInEitherByteOrder) {
  std::string file = media_file("pictures/rgb.png");
  const std::string big("MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x08\0\0\0\0\0\0", 26);
  const std::string little("II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x08\0\0\0\0\0\0\0", 26);
  for (const std::string& block : {big, little}) {
    std::string turned = file;
    turned.insert(file.size() - 12, std::string("\0\0\0\x1A", 4) + "eXIf" + block + "sum.");
    EXPECT_EQ(picture_size(bytes_of(turned), "p"), (PictureSize{9, 13}));
  }
}

TEST(Picture, WhatIsNotReadIsNamedWithAdvice) {
  const std::map<std::string, std::vector<std::string>> cases{
      {std::string("\0\0\0\x18"
                   "ftypheic\0\0\0\0heicmif1",
                   24),
       {"HEIC", "JPEG or PNG"}},
      {std::string("\0\0\0\x1C"
                   "ftypmif1\0\0\0\0mif1avifmiaf",
                   28),
       {"AVIF", "JPEG or PNG"}},
      {std::string("\0\0\0\x18"
                   "ftypisom\0\0\0\0isommp42",
                   24),
       {"MP4"}},
      {std::string("II*\0\x08\0\0\0", 8), {"TIFF", "JPEG or PNG"}},
      {"<svg xmlns=''>", {"SVG"}},
      {"%PDF-1.7", {"PDF"}},
      {"P3 1 1 255 0 0 0", {"PPM", "text"}},
      {media_file("pictures/cmyk.jpg"), {"CMYK", "RGB"}},
  };
  for (const auto& [file, words] : cases) {
    for (const bool decode : {true, false}) {
      const std::string said = refusal(ErrorCode::kUnsupported, [&, &bytes = file] {
        decode ? void(decode_picture(bytes_of(bytes), "holiday")) : void(picture_size(bytes_of(bytes), "holiday"));
      });
      expect_words(said, words);
      expect_words(said, {"'holiday'"});
    }
  }
  for (const char* nothing : {"", "hello, I am a text", "RIFF....WAVEfmt "}) {
    expect_words(refusal(ErrorCode::kBadFile, [&] { decode_picture(bytes_of(nothing), "p"); }), {"no picture", "JPEG"});
  }
}

TEST(Picture, WebPIsReadOrRefusedAsUnsupported) {
  const std::string file = media_file("pictures/lossless.webp");
  const auto error = error_of([&] { decode_picture(bytes_of(file), "p"); });
  if (error) {
    EXPECT_EQ(to_string(error->code()), "unsupported");
    expect_words(error->what(), {"WebP", "libwebp", "JPEG or PNG"});
  }
}

}  // namespace
}  // namespace rwkv
