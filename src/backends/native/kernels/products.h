// Panels times vectors, for lanes of any kind. A value of the product is always made in the same order:
//   of floats   four sums, of the columns c with c % 4 = 0, 1, 2 and 3, then (s0 + s1) + (s2 + s3)
//   of blocks   block after block: the exact sum of the products of bytes, as a float, times (scale of the row * scale
//               of the vector); where values have a minimum, less (minimum of the row * sum of the vector's block)
#pragma once

#include <cstring>

#include "backends/native/kernels/panels.h"

namespace rwkv::native {
namespace {

// Where a panel's parts begin.
struct Parts {
  const std::byte *low, *high, *block, *super;
};

template <Packing P>
Parts parts_of(const std::byte* panel, std::size_t blocks) {
  constexpr PanelParts kBytes = panel_parts(P);
  Parts parts{panel, nullptr, nullptr, nullptr};
  parts.high = parts.low + blocks * kBytes.low;
  parts.block = parts.high + blocks * kBytes.high;
  parts.super = parts.block + blocks * kBytes.block;
  return parts;
}

// Group `Group` of a block: a byte for each row and place, below 64.
template <class L, Packing P, int Group>
typename L::Bytes group_of(const std::byte* low, const std::byte* high) {
  const auto nibbles = L::template shift_and_mask < Group<4 ? 0 : -4>(L::load_bytes(low + Group % 4 * 64), 0x0F);
  if constexpr (P == Packing::kQ5_K) {
    return L::either(nibbles, L::template shift_and_mask<4 - Group>(L::load_bytes(high), 0x10));
  } else if constexpr (P == Packing::kQ6_K) {
    constexpr int kLeft = 4 - 2 * (Group % 4);
    return L::either(nibbles, L::template shift_and_mask<kLeft>(L::load_bytes(high + Group / 4 * 64), 0x30));
  } else {
    static_cast<void>(high);
    return nibbles;
  }
}

// Adds the groups from First to Last - 1 of a block to the sums of T tokens.
template <class L, Packing P, int First, int Last, std::size_t T>
void add_groups(const std::byte* low, const std::byte* high, const std::int8_t* x, std::size_t x_stride,
                typename L::Int (&sums)[T]) {
  if constexpr (First < Last) {
    const std::int8_t* values = x + static_cast<std::size_t>(First) * kGroup;
    if constexpr (P == Packing::kQ8_0) {
      const auto w = L::widen(L::load_bytes(low + First * 64));
#pragma GCC unroll 16
      for (std::size_t t = 0; t < T; ++t) sums[t] = L::dot_wide(sums[t], w, values + t * x_stride);
    } else {
      const auto w = group_of<L, P, First>(low, high);
#pragma GCC unroll 16
      for (std::size_t t = 0; t < T; ++t) sums[t] = L::dot(sums[t], w, values + t * x_stride);
    }
    add_groups<L, P, First + 1, Last, T>(low, high, x, x_stride, sums);
  }
}

// The exact sums of one block, without the offset of its bytes.
template <class L, Packing P, std::size_t T>
void sum_block(const Parts& parts, std::size_t b, const Vectors& x, std::size_t token, typename L::Int (&sums)[T]) {
  constexpr PanelParts kBytes = panel_parts(P);
  constexpr std::int32_t kOffset = P == Packing::kQ8_0   ? L::kWideOffset
                                   : P == Packing::kQ4_0 ? 8
                                   : P == Packing::kQ6_K ? 32
                                                         : 0;
  const std::byte* low = parts.low + b * kBytes.low;
  const std::byte* high = parts.high + b * kBytes.high;
  const std::int8_t* values = x.values + token * x.length + b * kBlock;
  const std::size_t blocks = x.length / kBlock;
  const std::int32_t* halves = x.half_sums + 2 * (token * blocks + b);
  L::prefetch(low + 2048);
  if constexpr (P == Packing::kQ6_K) {
    const std::byte* scales = parts.block + b * kBytes.block;
    typename L::Int half[T];
#pragma GCC unroll 16
    for (std::size_t t = 0; t < T; ++t) half[t] = L::splat_int(-kOffset * halves[2 * t * blocks]);
    add_groups<L, P, 0, 4, T>(low, high, values, x.length, half);
#pragma GCC unroll 16
    for (std::size_t t = 0; t < T; ++t) sums[t] = L::multiply_int(half[t], L::load_s8(scales));
#pragma GCC unroll 16
    for (std::size_t t = 0; t < T; ++t) half[t] = L::splat_int(-kOffset * halves[2 * t * blocks + 1]);
    add_groups<L, P, 4, 8, T>(low, high, values, x.length, half);
#pragma GCC unroll 16
    for (std::size_t t = 0; t < T; ++t) {
      sums[t] = L::add_int(sums[t], L::multiply_int(half[t], L::load_s8(scales + kPanelRows)));
    }
  } else {
#pragma GCC unroll 16
    for (std::size_t t = 0; t < T; ++t) {
      const std::int32_t* own = halves + 2 * t * blocks;
      sums[t] = L::splat_int(kOffset == 0 ? 0 : -kOffset * (own[0] + own[1]));
    }
    add_groups<L, P, 0, 8, T>(low, high, values, x.length, sums);
  }
}

// A panel of blocks times T vectors from `token` on.
template <class L, Packing P, std::size_t T>
void multiply_blocks(const std::byte* panel, const Vectors& x, std::size_t token, typename L::Float (&y)[T]) {
  constexpr PanelParts kBytes = panel_parts(P);
  const std::size_t blocks = x.length / kBlock;
  const Parts parts = parts_of<P>(panel, blocks);
  const float* scales = x.scales + token * blocks;
  const float* block_sums = x.sums + token * blocks;
#pragma GCC unroll 16
  for (std::size_t t = 0; t < T; ++t) y[t] = L::zero();
  for (std::size_t b = 0; b < blocks; ++b) {
    typename L::Int sums[T];
    sum_block<L, P, T>(parts, b, x, token, sums);
    const std::byte* block = parts.block + b * kBytes.block;
    const std::byte* super = parts.super + b / kSuperBlock * kBytes.super;
    typename L::Float scale;
    [[maybe_unused]] typename L::Float minimum;
    if constexpr (P == Packing::kQ8_0 || P == Packing::kQ4_0) {
      scale = L::load_halves(block);
    } else if constexpr (P == Packing::kQ6_K) {
      scale = L::load_halves(super);
    } else {
      scale = L::multiply(L::load_halves(super), L::to_float(L::load_u8(block)));
      minimum = L::multiply(L::load_halves(super + 32), L::to_float(L::load_u8(block + kPanelRows)));
    }
#pragma GCC unroll 16
    for (std::size_t t = 0; t < T; ++t) {
      const auto factor = L::multiply(scale, L::splat(scales[t * blocks + b]));
      y[t] = L::add(y[t], L::multiply(L::to_float(sums[t]), factor));
      if constexpr (P == Packing::kQ4_K || P == Packing::kQ5_K) {
        y[t] = L::subtract(y[t], L::multiply(minimum, L::splat(block_sums[t * blocks + b])));
      }
    }
  }
}

template <class L, Packing P>
typename L::Float load_column(const std::byte* panel, std::size_t column) {
  if constexpr (P == Packing::kF32) return L::load(reinterpret_cast<const float*>(panel) + column * kPanelRows);
  if constexpr (P == Packing::kF16) return L::load_halves(panel + column * kPanelRows * 2);
  if constexpr (P == Packing::kBF16) return L::load_bf16(panel + column * kPanelRows * 2);
}

// A panel of floats times T vectors.
template <class L, Packing P, std::size_t T>
void multiply_floats(const std::byte* panel, const Vectors& x, std::size_t token, typename L::Float (&y)[T]) {
  typename L::Float sums[kGroup][T];
#pragma GCC unroll 4
  for (std::size_t j = 0; j < kGroup; ++j) {
#pragma GCC unroll 16
    for (std::size_t t = 0; t < T; ++t) sums[j][t] = L::zero();
  }
  const float* values = x.floats + token * x.stride;
  for (std::size_t c = 0; c < x.length; c += kGroup) {
    L::prefetch(panel + c * panel_parts(P).low / kBlock + 1024);
#pragma GCC unroll 4
    for (std::size_t j = 0; j < kGroup; ++j) {
      const auto w = load_column<L, P>(panel, c + j);
#pragma GCC unroll 16
      for (std::size_t t = 0; t < T; ++t) {
        sums[j][t] = L::add(sums[j][t], L::multiply(w, L::splat(values[t * x.stride + c + j])));
      }
    }
  }
#pragma GCC unroll 16
  for (std::size_t t = 0; t < T; ++t) y[t] = L::add(L::add(sums[0][t], sums[1][t]), L::add(sums[2][t], sums[3][t]));
}

template <class L>
void finish(typename L::Float value, Then then, std::size_t rows, float* y) {
  if (then == Then::kSquareOfPositive) {
    value = L::positive(value);
    value = L::multiply(value, value);
  }
  if (rows == kPanelRows) {
    L::store(y, then == Then::kAdd ? L::add(L::load(y), value) : value);
    return;
  }
  float values[kPanelRows];
  L::store(values, value);
  for (std::size_t i = 0; i < rows; ++i) y[i] = then == Then::kAdd ? y[i] + values[i] : values[i];
}

struct Output {
  Then then;
  std::size_t rows;  // of the panel that there are
  float* y;          // of the first token
  std::size_t stride;
};

template <class L, Packing P, std::size_t T>
void multiply_tile(const std::byte* panel, const Vectors& x, std::size_t token, const Output& out) {
  typename L::Float y[T];
  if constexpr (is_float(P)) {
    multiply_floats<L, P, T>(panel, x, token, y);
  } else {
    multiply_blocks<L, P, T>(panel, x, token, y);
  }
  for (std::size_t t = 0; t < T; ++t) finish<L>(y[t], out.then, out.rows, out.y + (token + t) * out.stride);
}

// As many tokens at once as there are registers for.
template <class L, Packing P, std::size_t T>
void multiply_tokens(const std::byte* panel, const Vectors& x, std::size_t token, std::size_t tokens,
                     const Output& out) {
  for (; tokens - token >= T; token += T) multiply_tile<L, P, T>(panel, x, token, out);
  if constexpr (T > 1) multiply_tokens<L, P, T / 2>(panel, x, token, tokens, out);
}

template <class L, Packing P>
void multiply_panels(const PanelMatrix& m, std::size_t first, std::size_t count, const Vectors& x, std::size_t tokens,
                     Then then, float* y, std::size_t y_stride) {
  for (std::size_t panel = first; panel < first + count; ++panel) {
    const std::size_t row = panel * kPanelRows;
    const std::size_t rows = m.rows - row < kPanelRows ? m.rows - row : kPanelRows;
    constexpr std::size_t kTile = is_float(P) && L::kTile > 4 ? L::kTile / 2 : L::kTile;
    multiply_tokens<L, P, kTile>(m.panels + panel * m.panel_bytes, x, 0, tokens, {then, rows, y + row, y_stride});
  }
}

template <class L>
void multiply(const PanelMatrix& m, std::size_t first, std::size_t count, const Vectors& x, std::size_t tokens,
              Then then, float* y, std::size_t y_stride) {
  switch (m.packing) {
#define RWKV_PACKING(p) \
  case Packing::p: return multiply_panels<L, Packing::p>(m, first, count, x, tokens, then, y, y_stride)
    RWKV_PACKING(kF32);
    RWKV_PACKING(kF16);
    RWKV_PACKING(kBF16);
    RWKV_PACKING(kQ8_0);
    RWKV_PACKING(kQ4_0);
    RWKV_PACKING(kQ4_K);
    RWKV_PACKING(kQ5_K);
    RWKV_PACKING(kQ6_K);
#undef RWKV_PACKING
  }
}

}  // namespace
}  // namespace rwkv::native
