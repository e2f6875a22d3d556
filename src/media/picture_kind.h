// What kind of picture some bytes are: the content decides.
#pragma once

#include <cstddef>
#include <span>
#include <string>

namespace rwkv {

enum class PictureKind { kJpeg, kPng, kBmp, kGif, kPnm, kWebp };

/// Throws Error(kUnsupported) that names the kind and what to do where another kind of file is known, else
/// Error(kBadFile).
PictureKind picture_kind(std::span<const std::byte> bytes, const std::string& name);

}  // namespace rwkv
