#include "backends/native/pack.h"

#include <algorithm>
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

void pack_float_row(const std::byte* row, std::size_t columns, std::size_t bytes, std::size_t lane, std::byte* out) {
  for (std::size_t c = 0; c < columns; ++c) std::memcpy(out + (c * kPanelRows + lane) * bytes, row + c * bytes, bytes);
}

// The lower halves of bytes, or all of them, of the values of a row in a block.
void put_low(Packing packing, const RowBlock& block, std::size_t lane, std::byte* out) {
  const std::uint8_t* values = block.values;
  for (std::size_t g = 0; g < kBlock / kGroup; ++g) {
    for (std::size_t j = 0; j < kGroup; ++j) {
      const std::size_t at = kGroup * lane + j;
      if (packing == Packing::kQ8_0) {
        out[64 * g + at] = static_cast<std::byte>(values[kGroup * g + j]);
      } else if (g < 4) {
        const unsigned pair = (values[kGroup * g + j] & 15u) | (values[kGroup * (g + 4) + j] & 15u) << 4;
        out[64 * g + at] = static_cast<std::byte>(pair);
      }
    }
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

void pack_block_row(const PanelMatrix& matrix, const std::byte* row, std::size_t lane, std::byte* out) {
  const PanelParts bytes = panel_parts(matrix.packing);
  const std::size_t blocks = blocks_of(matrix);
  std::byte* high = out + blocks * bytes.low;
  std::byte* own = high + blocks * bytes.high;
  std::byte* super = own + blocks * bytes.block;
  for (std::size_t b = 0; b < blocks; ++b) {
    const RowBlock block = read_block(matrix.packing, row, b);
    put_low(matrix.packing, block, lane, out + b * bytes.low);
    if (bytes.high > 0) put_high(matrix.packing, block, lane, high + b * bytes.high);
    std::byte* of_block = own + b * bytes.block;
    if (bytes.super == 0) {
      put_half(of_block + 2 * lane, block.scale);
      continue;
    }
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
  const std::size_t blocks = blocks_of(matrix);
  std::byte* const scales = out + column_places(blocks) * kWideRows;
  for (std::size_t b = 0; b < blocks; ++b) {
    std::byte columns[kBlock][kWideRows];
    for (std::size_t row = 0; row < kWideRows; ++row) {
      const RowBlock block = read_block(matrix.packing, rows + row * row_bytes, b);
      const std::size_t at = place_of_row(row);
      for (std::size_t i = 0; i < kBlock; ++i) columns[i][at] = static_cast<std::byte>(block.values[i]);
      put_half(scales + 2 * (b * kWideRows + row), block.scale);
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
  std::fill_n(out, matrix.panel_bytes, std::byte{});
  const std::size_t row_bytes = bytes_of_row(tensor, matrix);
  const std::size_t first = index * matrix.panel_rows();
  if (matrix.by_columns) return pack_columns(matrix, tensor.data.data() + first * row_bytes, row_bytes, out);
  for (std::size_t lane = 0; lane < std::min(kPanelRows, matrix.rows - first); ++lane) {
    const std::byte* row = tensor.data.data() + (first + lane) * row_bytes;
    if (is_float(matrix.packing)) {
      pack_float_row(row, matrix.columns, row_bytes / matrix.columns, lane, out);
    } else {
      pack_block_row(matrix, row, lane, out);
    }
  }
}

}  // namespace rwkv::native
