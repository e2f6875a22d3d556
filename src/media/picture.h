// A picture's pixels, out of the bytes of a file that nobody vouches for.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace rwkv {

struct PictureSize {
  int width = 0;
  int height = 0;

  friend bool operator==(const PictureSize&, const PictureSize&) = default;
};

/// 8-bit sRGB as the file has it; rows from top to bottom, three bytes a pixel, upright.
struct Picture {
  int width = 0;
  int height = 0;
  std::vector<std::uint8_t> rgb;  // height x width x 3

  PictureSize size() const noexcept { return {width, height}; }
};

/// A picture beyond either is refused before memory is taken for it.
constexpr int kMaxPictureSide = 30'000;
constexpr std::int64_t kMaxPicturePixels = 100'000'000;

/// Width and height as decode_picture would give them, read from the header alone: nothing is decoded. Throws what
/// decode_picture throws for a header. `name` stands for the picture in messages.
PictureSize picture_size(std::span<const std::byte> bytes, const std::string& name);

/// JPEG, PNG, BMP, GIF (its first picture), PNM, and WebP where this build has libwebp. The content decides, not the
/// name. Turned upright by its EXIF orientation; what is transparent is laid over white; grey and 16 bit become 8-bit
/// RGB. Takes up to 16 bytes a pixel while it works. Throws Error: kBadFile (damaged, or no picture at all),
/// kUnsupported (too large, a kind or a form of it that is not read here, with what to do instead), kOutOfMemory.
Picture decode_picture(std::span<const std::byte> bytes, const std::string& name);

}  // namespace rwkv
