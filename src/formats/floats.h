// Numbers in the types that files keep them in.
#pragma once

#include <cstddef>
#include <span>

#include "formats/weights.h"

namespace rwkv {

/// Little-endian values of kF32, kF16 or kBF16 at `from`, which need not be aligned.
void decode_floats(DataType type, const std::byte* from, std::span<float> out) noexcept;

/// Writes the nearest halves (ties to even) at `to`, 2 bytes each, which need not be aligned. False: some value is
/// not finite or beyond 65504, the largest half, and nothing there is of use.
bool encode_halves(std::span<const float> values, std::byte* to) noexcept;

}  // namespace rwkv
