// Rows of weights as a GGUF file packs them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>

#include "backends/native/kernels/kernels.h"
#include "formats/gguf.h"

namespace rwkv::native {

/// Nothing: a type that the engine does not compute with.
std::optional<Packing> packing_of(GgmlType type) noexcept;

/// What is added to a value of a packing of blocks, so that it is not negative.
int offset_of(Packing packing) noexcept;

/// The kBlock values of a row that share a scale, in the order of the columns.
struct RowBlock {
  std::uint8_t values[kBlock];  // value + offset_of()
  std::uint16_t scale;          // a half
  std::uint16_t minimum;        // a half; of Q4_K and Q5_K
  std::uint8_t factors[2];      // of scale and minimum; of Q6_K signed, for the two halves of the block
};

/// Block `index` of the row at `row`, of a packing of blocks.
RowBlock read_block(Packing packing, const std::byte* row, std::size_t index) noexcept;

/// The nearest float of a half.
float half_to_float(std::uint16_t half) noexcept;

/// All `columns` values of the row.
void read_row(Packing packing, const std::byte* row, std::size_t columns, float* out) noexcept;

}  // namespace rwkv::native
