// Numbers in the types that files keep them in.
#pragma once

#include <cstddef>
#include <span>

#include "formats/weights.h"

namespace rwkv {

/// Whether decode_floats() reads it.
constexpr bool is_float(DataType type) noexcept {
  return type == DataType::kF32 || type == DataType::kF16 || type == DataType::kBF16 || type == DataType::kF64;
}

/// Little-endian values of a type that is_float() at `from`, which need not be aligned. Those of kF64 are rounded.
void decode_floats(DataType type, const std::byte* from, std::span<float> out) noexcept;

/// Writes the nearest halves (ties to even) at `to`, 2 bytes each, which need not be aligned. False: some value is
/// not finite or beyond 65504, the largest half, and nothing there is of use.
bool encode_halves(std::span<const float> values, std::byte* to) noexcept;

}  // namespace rwkv
