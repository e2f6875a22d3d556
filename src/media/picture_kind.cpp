#include "media/picture_kind.h"

#include <algorithm>
#include <string_view>

#include "base/error.h"

namespace rwkv {
namespace {

using namespace std::string_view_literals;

struct Signature {
  std::string_view bytes;
  PictureKind kind;
};

constexpr Signature kRead[] = {
    {"\xFF\xD8\xFF"sv, PictureKind::kJpeg},
    {"\x89PNG\r\n\x1A\n"sv, PictureKind::kPng},
    {"GIF87a"sv, PictureKind::kGif},
    {"GIF89a"sv, PictureKind::kGif},
    {"BM"sv, PictureKind::kBmp},
    {"P5"sv, PictureKind::kPnm},
    {"P6"sv, PictureKind::kPnm},
};

struct Foreign {
  std::string_view bytes;
  std::string_view what;
};

constexpr Foreign kForeign[] = {
    {"II*\0"sv, "a TIFF"},
    {"MM\0*"sv, "a TIFF"},
    {"\xFF\x0A"sv, "a JPEG XL"},
    {"\0\0\0\x0CJXL "sv, "a JPEG XL"},
    {"\0\0\0\x0CjP  "sv, "a JPEG 2000"},
    {"8BPS"sv, "a Photoshop file"},
    {"%PDF"sv, "a PDF"},
    {"<svg"sv, "an SVG drawing"},
    {"<?xml"sv, "an XML file, perhaps an SVG drawing"},
    {"P1"sv, "a PBM"},
    {"P2"sv, "a PGM written as text"},
    {"P3"sv, "a PPM written as text"},
    {"P4"sv, "a PBM"},
    {"P7"sv, "a PAM"},
};

/// What an ISO base media file (ISO/IEC 14496-12) with these brands is.
std::string_view iso_media(std::string_view text) {
  // Size, "ftyp", major brand, version, compatible brands.
  const std::string_view brands = text.substr(8, 64);
  const auto has = [&](std::string_view brand) { return brands.find(brand) != std::string_view::npos; };
  if (has("avif") || has("avis")) return "an AVIF picture";
  for (const std::string_view brand : {"heic", "heix", "hevc", "hevx", "heim", "heis", "mif1", "msf1"}) {
    if (has(brand)) return "a HEIC picture";
  }
  return "a video or sound in an MP4 file";
}

}  // namespace

PictureKind picture_kind(std::span<const std::byte> bytes, const std::string& name) {
  const std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  for (const auto& [signature, kind] : kRead) {
    if (text.starts_with(signature)) return kind;
  }
  if (text.size() >= 12 && text.starts_with("RIFF") && text.substr(8, 4) == "WEBP") return PictureKind::kWebp;
  std::string_view what;
  if (text.size() >= 12 && text.substr(4, 4) == "ftyp") what = iso_media(text);
  for (const Foreign& foreign : kForeign) {
    if (text.starts_with(foreign.bytes)) what = foreign.what;
  }
  if (!what.empty()) {
    throw Error(ErrorCode::kUnsupported,
                "'" + name + "' is " + std::string(what) +
                    ", which is not read here: save it as JPEG or PNG first, as phones' cameras and galleries can",
                name);
  }
  throw Error(ErrorCode::kBadFile,
              "'" + name + "' is no picture of a kind that is read here (JPEG, PNG, WebP, GIF, BMP, PGM, PPM)" +
                  (bytes.empty() ? ": it is empty" : ""),
              name);
}

}  // namespace rwkv
