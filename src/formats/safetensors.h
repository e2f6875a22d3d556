// safetensors, a JSON header and plain tensor data: read without trusting a byte of it.
#pragma once

#include <cstddef>
#include <span>
#include <string>

#include "formats/weights.h"

namespace rwkv {

/// Views point into `bytes`, which must outlive them. Throws Error(kBadFile, kUnsupported) with file, offset and reason
/// for a header that is not JSON of exactly the known form, names that occur twice, types or shapes that do not agree
/// with the offsets, and data with gaps, overlaps or rests. Memory used is at most 32 times the header's size, which is
/// at most 64 MiB.
WeightFile parse_safetensors(std::span<const std::byte> bytes, const std::string& name);

}  // namespace rwkv
