// How panels lie in memory. For a row r of a panel (0 to 15) and column c, with g = c % 32 / 4 the group in its block
// and j = c % 4 the place in the group:
//
//   F32, F16, BF16  a value of row r for each column, then those of the next column; columns are filled up to a
//                   multiple of kGroup with zeros
//   blocks          all values of the panel, then what belongs to blocks: scales and the like, 16 of a kind together.
//     Q8_0   512 bytes a block: byte 64 g + 4 r + j is value + 128; then 16 halves a block, the scales
//     Q4_0   256 bytes a block: byte 64 (g % 4) + 4 r + j has the value + 8, of groups 0 to 3 in its lower half, of 4
//            to 7 in its upper half; then 16 halves a block, the scales
//     Q4_K   256 bytes a block as those, of values from 0; then 16 scales and 16 minima a block, a byte each; then 16
//            halves each for scales and minima a superblock of 8 blocks
//     Q5_K   256 bytes a block as those; then 64 bytes a block: bit g of byte 4 r + j is the fifth; the rest as Q4_K
//     Q6_K   256 bytes a block as those, of value + 32; then 128 bytes a block: bits 2 (g % 4) and up of byte
//            64 (g / 4) + 4 r + j are the fifth and sixth; then 16 signed scales for each half of a block, a byte each;
//            then 16 halves a superblock, the scales
//
// A wide panel, by columns, has the 128 bytes of each column together: rows 0 to 63, then 64 to 127, and of such a half
// byte 16 l + 4 n + i is of row 16 n + 4 l + i, so that bytes of four columns, interleaved in lanes of 128 bits, are a
// group of a panel. The columns of a block lie far apart, each beside its neighbour of the next block: a processor that
// sees addresses in order fetches what lies between them, too. After the columns come 128 halves a block, the scales.
#pragma once

#include "backends/native/kernels/kernels.h"

namespace rwkv::native {

inline constexpr std::size_t kSuperBlock = 8;  // blocks

/// Bytes of a panel's parts a block, and of the last part a superblock.
struct PanelParts {
  std::size_t low, high, block, super;
};

constexpr PanelParts panel_parts(Packing packing) {
  switch (packing) {
    case Packing::kQ8_0: return {512, 0, 32, 0};
    case Packing::kQ4_0: return {256, 0, 32, 0};
    case Packing::kQ4_K: return {256, 0, 32, 64};
    case Packing::kQ5_K: return {256, 64, 32, 64};
    case Packing::kQ6_K: return {256, 128, 32, 32};
    case Packing::kF32: return {64 * kBlock, 0, 0, 0};
    case Packing::kF16:
    case Packing::kBF16: return {32 * kBlock, 0, 0, 0};
  }
  return {};
}

/// Where a column of a wide panel lies, in columns. An odd number of them lie between two columns of a block, since
/// powers of two would meet in the same sets of a cache.
constexpr std::size_t place_of_column(std::size_t column, std::size_t blocks) {
  return column % kBlock * (blocks | 1) + column / kBlock;
}
constexpr std::size_t column_places(std::size_t blocks) { return kBlock * (blocks | 1); }
/// Where the byte of a row lies in a column.
constexpr std::size_t place_of_row(std::size_t row) {
  return row / 64 * 64 + row % 16 / 4 * 16 + row % 64 / 16 * 4 + row % 4;
}

}  // namespace rwkv::native
