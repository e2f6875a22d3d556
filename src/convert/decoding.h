// Numbers out of the types that files keep them in.
#pragma once

#include <cstddef>
#include <span>

#include "formats/ggml_type.h"
#include "formats/weights.h"

namespace rwkv::convert {

/// Little-endian values of kF32, kF16 or kBF16 at `from`, which need not be aligned.
void decode(DataType type, const std::byte* from, std::span<float> out) noexcept;

/// Whether each value is finite and its type can hold it: halves, and the scales of quantised blocks, end at 65504.
bool fits(GgmlType type, std::span<const float> values) noexcept;

}  // namespace rwkv::convert
