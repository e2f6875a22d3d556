#include "backends/native/pack.h"

#include <algorithm>
#include <bit>
#include <cstring>

#include "backends/native/blocks.h"
#include "backends/native/kernels/panels.h"

namespace rwkv::native {
namespace {

constexpr std::size_t kLine = 64;  // bytes that the processor reads together

std::size_t blocks_of(const PanelMatrix& matrix) { return (matrix.columns + kBlock - 1) / kBlock; }

std::size_t padded_columns(const PanelMatrix& matrix) { return (matrix.columns + kGroup - 1) / kGroup * kGroup; }

std::size_t bytes_of_row(const GgufTensor& tensor, const PanelMatrix& matrix) {
  return matrix.columns / tensor.traits->block * tensor.traits->bytes;
}

void put_half(std::byte* to, std::uint16_t half) { std::memcpy(to, &half, sizeof half); }

// Some columns of all rows at a time, so that what is written stays at hand.
template <std::size_t Bytes>
void pack_floats(const std::byte* rows, std::size_t count, std::size_t row_bytes, std::byte* out) {
  constexpr std::size_t kColumns = 32;
  const std::size_t columns = row_bytes / Bytes;
  for (std::size_t begin = 0; begin < columns; begin += kColumns) {
    const std::size_t end = std::min(begin + kColumns, columns);
    for (std::size_t lane = 0; lane < count; ++lane) {
      const std::byte* row = rows + lane * row_bytes;
      for (std::size_t c = begin; c < end; ++c) {
        std::memcpy(out + (c * kPanelRows + lane) * Bytes, row + c * Bytes, Bytes);
      }
    }
  }
}

// Of a block of Q8_0 or Q4_0.
template <Packing P>
std::uint32_t group_at(const std::byte* block, std::size_t group) {
  std::uint32_t four;
  std::memcpy(&four, block + 2 + group * kGroup, kGroup);
  return P == Packing::kQ8_0 ? four ^ 0x80808080u : four;
}

// Q8_0 and Q4_0, whose bytes a panel has as they are (of Q8_0 with another sign bit), four at a time.
template <Packing P>
void pack_blocks(const std::byte* rows, std::size_t count, std::size_t row_bytes, std::size_t blocks, std::byte* out) {
  constexpr std::size_t kLow = panel_parts(P).low;
  constexpr std::size_t kValues = kLow / kPanelRows;  // bytes of a row in a block
  std::byte* const scales = out + blocks * kLow;
  for (std::size_t b = 0; b < blocks; ++b) {
    const std::byte* const block = rows + b * (2 + kValues);
    std::byte* const to = out + b * kLow;
    for (std::size_t lane = 0; lane < count; ++lane) {
      std::memcpy(scales + b * 2 * kPanelRows + 2 * lane, block + lane * row_bytes, 2);
    }
    std::size_t lane = 0;
    for (; lane + 4 <= count; lane += 4) {
      for (std::size_t g = 0; g < kValues / kGroup; ++g) {
        std::uint32_t of[4];
        for (std::size_t i = 0; i < 4; ++i) of[i] = group_at<P>(block + (lane + i) * row_bytes, g);
        std::memcpy(to + (g * kPanelRows + lane) * kGroup, of, sizeof of);
      }
    }
    for (; lane < count; ++lane) {
      for (std::size_t g = 0; g < kValues / kGroup; ++g) {
        const std::uint32_t four = group_at<P>(block + lane * row_bytes, g);
        std::memcpy(to + (g * kPanelRows + lane) * kGroup, &four, kGroup);
      }
    }
  }
}

// The lower halves of bytes of the values of a row in a block.
void put_low(const RowBlock& block, std::size_t lane, std::byte* out) {
  const std::uint8_t* values = block.values;
  for (std::size_t i = 0; i < kBlock / 2; ++i) {
    const unsigned pair = (values[i] & 15u) | (values[i + kBlock / 2] & 15u) << 4;
    out[64 * (i / kGroup) + kGroup * lane + i % kGroup] = static_cast<std::byte>(pair);
  }
}

void put_high(Packing packing, const RowBlock& block, std::size_t lane, std::byte* out) {
  for (std::size_t i = 0; i < kBlock; ++i) {
    const std::size_t g = i / kGroup;
    const std::size_t at = kGroup * lane + i % kGroup;
    const unsigned bits = block.values[i] >> 4;
    if (packing == Packing::kQ5_K) {
      out[at] |= static_cast<std::byte>(bits << g);
    } else {
      out[64 * (g / 4) + at] |= static_cast<std::byte>(bits << 2 * (g % 4));
    }
  }
}

// Of the types that have superblocks.
void pack_block_row(const PanelMatrix& matrix, const std::byte* row, std::size_t lane, std::byte* out) {
  const PanelParts bytes = panel_parts(matrix.packing);
  const std::size_t blocks = blocks_of(matrix);
  std::byte* high = out + blocks * bytes.low;
  std::byte* own = high + blocks * bytes.high;
  std::byte* super = own + blocks * bytes.block;
  for (std::size_t b = 0; b < blocks; ++b) {
    const RowBlock block = read_block(matrix.packing, row, b);
    put_low(block, lane, out + b * bytes.low);
    if (bytes.high > 0) put_high(matrix.packing, block, lane, high + b * bytes.high);
    std::byte* of_block = own + b * bytes.block;
    of_block[lane] = static_cast<std::byte>(block.factors[0]);
    of_block[kPanelRows + lane] = static_cast<std::byte>(block.factors[1]);
    if (b % kSuperBlock != 0) continue;
    std::byte* of_super = super + b / kSuperBlock * bytes.super;
    put_half(of_super + 2 * lane, block.scale);
    if (bytes.super > 2 * kPanelRows) put_half(of_super + 2 * (kPanelRows + lane), block.minimum);
  }
}

// Block after block, so that a column is written at once.
void pack_columns(const PanelMatrix& matrix, const std::byte* rows, std::size_t row_bytes, std::byte* out) {
  constexpr bool kLittle = std::endian::native == std::endian::little;
  constexpr int kShifts[] = {kLittle ? 0 : 24, kLittle ? 8 : 16, kLittle ? 16 : 8, kLittle ? 24 : 0};
  const std::size_t blocks = blocks_of(matrix);
  std::byte* const scales = out + column_places(blocks) * kWideRows;
  for (std::size_t b = 0; b < blocks; ++b) {
    std::byte columns[kBlock][kWideRows];
    for (std::size_t row = 0; row < kWideRows; row += 4) {  // four rows lie side by side in a column
      const std::byte* const block = rows + row * row_bytes + b * (2 + kBlock);
      std::uint32_t fours[kBlock];
      const auto byte = [&](std::size_t j, std::size_t i) {
        return std::to_integer<std::uint32_t>(block[j * row_bytes + 2 + i]) << kShifts[j];
      };
      for (std::size_t i = 0; i < kBlock; ++i) {
        fours[i] = (byte(0, i) | byte(1, i) | byte(2, i) | byte(3, i)) ^ 0x80808080u;
      }
      for (std::size_t i = 0; i < kBlock; ++i) std::memcpy(columns[i] + place_of_row(row), &fours[i], 4);
      for (std::size_t j = 0; j < 4; ++j) {
        std::memcpy(scales + 2 * (b * kWideRows + row + j), block + j * row_bytes, 2);
      }
    }
    for (std::size_t i = 0; i < kBlock; ++i) {
      std::memcpy(out + place_of_column(b * kBlock + i, blocks) * kWideRows, columns[i], kWideRows);
    }
  }
}

}  // namespace

PanelMatrix shape_of(const GgufTensor& tensor, bool by_columns) {
  PanelMatrix matrix;
  matrix.packing = packing_of(tensor.type).value();
  matrix.columns = static_cast<std::size_t>(tensor.dimensions[0]);
  matrix.rows = static_cast<std::size_t>(tensor.elements / tensor.dimensions[0]);
  const PanelParts bytes = panel_parts(matrix.packing);
  matrix.by_columns = by_columns && matrix.packing == Packing::kQ8_0 && matrix.rows % kWideRows == 0;
  if (matrix.by_columns) {
    matrix.panel_bytes = column_places(blocks_of(matrix)) * kWideRows + blocks_of(matrix) * 2 * kWideRows;
  } else if (is_float(matrix.packing)) {
    matrix.panel_bytes = padded_columns(matrix) * bytes.low / kBlock;
  } else {
    const std::size_t blocks = blocks_of(matrix);
    matrix.panel_bytes = blocks * (bytes.low + bytes.high + bytes.block) + blocks / kSuperBlock * bytes.super;
  }
  matrix.panel_bytes = (matrix.panel_bytes + kLine - 1) / kLine * kLine;
  return matrix;
}

std::size_t bytes_of(const PanelMatrix& matrix) noexcept { return matrix.panel_count() * matrix.panel_bytes; }

void pack_panel(const GgufTensor& tensor, const PanelMatrix& matrix, std::size_t index, std::byte* out) noexcept {
  const std::size_t row_bytes = bytes_of_row(tensor, matrix);
  const std::size_t first = index * matrix.panel_rows();
  const std::byte* const rows = tensor.data.data() + first * row_bytes;
  if (matrix.by_columns) return pack_columns(matrix, rows, row_bytes, out);
  const std::size_t count = std::min(kPanelRows, matrix.rows - first);
  const bool is_written_whole =
      count == kPanelRows && panel_parts(matrix.packing).super == 0 && !is_float(matrix.packing);
  if (!is_written_whole) std::fill_n(out, matrix.panel_bytes, std::byte{});
  switch (matrix.packing) {
    case Packing::kF32: return pack_floats<4>(rows, count, row_bytes, out);
    case Packing::kF16:
    case Packing::kBF16: return pack_floats<2>(rows, count, row_bytes, out);
    case Packing::kQ8_0: return pack_blocks<Packing::kQ8_0>(rows, count, row_bytes, blocks_of(matrix), out);
    case Packing::kQ4_0: return pack_blocks<Packing::kQ4_0>(rows, count, row_bytes, blocks_of(matrix), out);
    default: break;
  }
  for (std::size_t lane = 0; lane < count; ++lane) pack_block_row(matrix, rows + lane * row_bytes, lane, out);
}

}  // namespace rwkv::native
