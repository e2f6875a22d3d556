#include "media/stb_decode.h"

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <memory>

#include "base/error.h"
#include "media/over_white.h"

namespace {

// stb_image takes what the file makes it take: a PNG of one pixel may unpack to gigabytes. So its memory is counted, by
// thread, against what a picture of that size can need.
struct Allowance {
  std::uint64_t left = 0;
  bool exceeded = false;
};
thread_local Allowance allowance;

constexpr std::size_t kPrefix = alignof(std::max_align_t);  // before each block, its size
static_assert(kPrefix >= sizeof(std::size_t));

std::size_t size_of(void* block) noexcept {
  std::size_t size;
  std::memcpy(&size, static_cast<char*>(block) - kPrefix, sizeof size);
  return size;
}

void* counted_realloc(void* block, std::size_t size) noexcept {
  const std::size_t old = block ? size_of(block) : 0;
  if (size > old && size - old > allowance.left) {
    allowance.exceeded = true;
    return nullptr;
  }
  void* whole = std::realloc(block ? static_cast<char*>(block) - kPrefix : nullptr, size + kPrefix);
  if (!whole) return nullptr;
  allowance.left = allowance.left + old - size;
  std::memcpy(whole, &size, sizeof size);
  return static_cast<char*>(whole) + kPrefix;
}

void counted_free(void* block) noexcept {
  if (!block) return;
  allowance.left += size_of(block);
  std::free(static_cast<char*>(block) - kPrefix);
}

}  // namespace

#define STB_IMAGE_IMPLEMENTATION
#define STB_IMAGE_STATIC
#define STBI_NO_STDIO
#define STBI_NO_FAILURE_STRINGS
#define STBI_ONLY_JPEG
#define STBI_ONLY_PNG
#define STBI_ONLY_BMP
#define STBI_ONLY_GIF
#define STBI_ONLY_PNM
#define STBI_MAX_DIMENSIONS 30000
#define STBI_MALLOC(size) counted_realloc(nullptr, size)
#define STBI_REALLOC(block, size) counted_realloc(block, size)
#define STBI_FREE(block) counted_free(block)
#if defined(__GNUC__)
#pragma GCC diagnostic ignored "-Wold-style-cast"  // around our macros
#pragma GCC diagnostic ignored "-Wunused-function"
#if !defined(__clang__)
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"  // its reader of streams, which we do not use
#endif
#endif
#include <stb_image.h>

namespace rwkv {

static_assert(STBI_MAX_DIMENSIONS == kMaxPictureSide);

Picture decode_with_stb(std::span<const std::byte> bytes, const PictureHeader& header, const std::string& name) {
  if (bytes.size() > 0x7FFFFFFF) {
    throw Error(ErrorCode::kUnsupported, "'" + name + "' has more than 2 GiB: scale the picture down first", name);
  }
  // An interlaced PNG of 16 bits with alpha has the most: what is unpacked, in a block that doubles, and twice the
  // result. JPEGs are decoded in blocks of up to 64 pixels a side.
  const std::uint64_t pixels =
      (static_cast<std::uint64_t>(header.width) + 64) * (static_cast<std::uint64_t>(header.height) + 64);
  allowance = {pixels * 32 + 2 * std::uint64_t{bytes.size()} + (1U << 20), false};

  // A JPEG and a PNM have no alpha; a fourth channel would cost memory.
  const int channels = header.kind == PictureKind::kJpeg || header.kind == PictureKind::kPnm ? 3 : 4;
  stbi_convert_iphone_png_to_rgb_thread(1);
  stbi_set_unpremultiply_on_load_thread(1);
  Picture picture;
  int stored_channels = 0;
  const std::unique_ptr<stbi_uc, void (*)(void*)> decoded(
      stbi_load_from_memory(reinterpret_cast<const stbi_uc*>(bytes.data()), static_cast<int>(bytes.size()),
                            &picture.width, &picture.height, &stored_channels, channels),
      stbi_image_free);
  if (!decoded) {
    throw Error(ErrorCode::kBadFile,
                "'" + name + "' cannot be decoded: " +
                    (allowance.exceeded ? "it holds more than a picture of its size"
                                        : "the file is cut off or damaged, or in a "
                                          "form that is not read here") +
                    "; save it anew as PNG or JPEG",
                name);
  }
  if (picture.width != header.width || picture.height != header.height) {
    throw Error(ErrorCode::kBadFile, "'" + name + "' has another size than its header says: the file is damaged", name);
  }
  const std::size_t count = static_cast<std::size_t>(picture.width) * static_cast<std::size_t>(picture.height);
  if (channels == 3) {
    picture.rgb.assign(decoded.get(), decoded.get() + count * 3);
  } else {
    picture.rgb.resize(count * 3);
    lay_over_white(decoded.get(), count, picture.rgb.data());
  }
  return picture;
}

}  // namespace rwkv
