// Panels times vectors, for lanes of any kind. A value of the product is always made in the same order:
//   of floats   four sums, of the columns c with c % 4 = 0, 1, 2 and 3, then (s0 + s1) + (s2 + s3)
//   of blocks   block after block: the exact sum of the products of bytes, as a float, times (scale of the row * scale
//               of the vector); where values have a minimum, less (minimum of the row * sum of the vector's block)
// Several panels and tokens are computed at once, so that what is loaded of each is used for all of the others.
#pragma once

#include "backends/native/kernels/panels.h"

namespace rwkv::native {
namespace {

// N x T numbers in registers.
template <class L, std::size_t N, std::size_t T>
struct Floats {
  typename L::Float at[N][T];
};
template <class L, std::size_t N, std::size_t T>
struct Ints {
  typename L::Int at[N][T];
};

// Group `Group` of a block: a byte for each row and place, below 64 (of Q8_0 any).
template <class L, Packing P, int Group>
auto group_of(const std::byte* low, const std::byte* high) {
  if constexpr (P == Packing::kQ8_0) {
    return L::widen(L::load_bytes(low + Group * 64));
  } else {
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
}

// Where a block of N panels lies, which are `stride` apart.
struct BlockOf {
  const std::byte *low, *high;
  std::size_t stride;
};

// Adds the groups from First to Last - 1 of a block to the sums.
template <class L, Packing P, int First, int Last, std::size_t N, std::size_t T>
RWKV_ALWAYS_INLINE void add_groups(const BlockOf& block, const std::int8_t* x, Ints<L, N, T>& sums) {
  if constexpr (First < Last) {
    decltype(group_of<L, P, First>(nullptr, nullptr)) w[N];
    RWKV_UNROLL
    for (std::size_t n = 0; n < N; ++n) {
      w[n] = group_of<L, P, First>(block.low + n * block.stride, block.high + n * block.stride);
    }
    RWKV_UNROLL
    for (std::size_t t = 0; t < T; ++t) {
      const auto group = L::load_group(x + (First * kTile + t) * kGroup);
      RWKV_UNROLL
      for (std::size_t n = 0; n < N; ++n) {
        if constexpr (P == Packing::kQ8_0) {
          sums.at[n][t] = L::dot_wide(sums.at[n][t], w[n], group);
        } else {
          sums.at[n][t] = L::dot(sums.at[n][t], w[n], group);
        }
      }
    }
    add_groups<L, P, First + 1, Last, N, T>(block, x, sums);
  }
}

// Begins sums with what takes the offset of the bytes off: `negative` has the sum of the vector's, times -1.
template <class L, Packing P, std::size_t N, std::size_t T>
RWKV_ALWAYS_INLINE void begin_sums(const std::int32_t* negative, Ints<L, N, T>& sums) {
  constexpr int kBits = P == Packing::kQ8_0   ? (L::kWideHasOffset ? 7 : 0)
                        : P == Packing::kQ4_0 ? 3
                        : P == Packing::kQ6_K ? 5
                                              : 0;
  RWKV_UNROLL
  for (std::size_t t = 0; t < T; ++t) {
    auto begin = L::splat_int(0);
    if constexpr (kBits > 0) begin = L::template shift_left<kBits>(L::splat_int(negative[t]));
    RWKV_UNROLL
    for (std::size_t n = 0; n < N; ++n) sums.at[n][t] = begin;
  }
}

// Where the parts of the first panel lie, and of vectors from a token on.
struct BlockOperands {
  const std::byte *low, *high, *block, *super;
  std::size_t stride;  // from panel to panel
  const std::int8_t* values;
  const float *scales, *sums;
  const std::int32_t *totals, *halves;
};

// The exact sums of block b.
template <class L, Packing P, std::size_t N, std::size_t T>
RWKV_ALWAYS_INLINE void sum_block(const BlockOperands& from, std::size_t b, Ints<L, N, T>& sums) {
  constexpr PanelParts kBytes = panel_parts(P);
  const BlockOf block{from.low + b * kBytes.low, from.high + b * kBytes.high, from.stride};
  const std::int8_t* x = from.values + b * kBlock * kTile;
  if constexpr (P == Packing::kQ6_K) {
    const std::byte* scales = from.block + b * kBytes.block;
    const std::int32_t* halves = from.halves + 2 * b * kTile;
    Ints<L, N, T> second;
    begin_sums<L, P>(halves, sums);
    add_groups<L, P, 0, 4>(block, x, sums);
    RWKV_UNROLL
    for (std::size_t i = 0; i < N * T; ++i) {
      auto& sum = sums.at[i / T][i % T];
      sum = L::multiply_int(sum, L::load_s8(scales + i / T * from.stride));
    }
    begin_sums<L, P>(halves + kTile, second);
    add_groups<L, P, 4, 8>(block, x, second);
    RWKV_UNROLL
    for (std::size_t i = 0; i < N * T; ++i) {
      auto& sum = sums.at[i / T][i % T];
      const auto factor = L::load_s8(scales + i / T * from.stride + kPanelRows);
      sum = L::add_int(sum, L::multiply_int(second.at[i / T][i % T], factor));
    }
  } else {
    begin_sums<L, P>(from.totals + b * kTile, sums);
    add_groups<L, P, 0, 8>(block, x, sums);
  }
}

// Asks for what is read kAhead blocks from here; at a panel's end for what follows the N panels. A processor reads from
// one place in order at some two thirds of the speed with which it reads from several that it is told in advance.
template <class L, Packing P, std::size_t N>
RWKV_ALWAYS_INLINE void prefetch_block(const BlockOperands& from, std::size_t b, std::size_t blocks) {
  constexpr PanelParts kBytes = panel_parts(P);
  constexpr std::size_t kAhead = 2048 / kBytes.low;
  std::size_t next = b + kAhead;
  std::size_t panel = 0;
  if (next >= blocks) {
    next -= next - blocks < blocks ? blocks : next;
    panel = N * from.stride;
  }
  RWKV_UNROLL
  for (std::size_t n = 0; n < N; ++n, panel += from.stride) {
    RWKV_UNROLL
    for (std::size_t line = 0; line < kBytes.low; line += 64) L::prefetch(from.low + panel + next * kBytes.low + line);
    if constexpr (kBytes.high > 0) L::prefetch(from.high + panel + next * kBytes.high);
    L::prefetch(from.block + panel + next * kBytes.block);
  }
}

// What N panels of blocks times T vectors add to y.
template <class L, Packing P, std::size_t N, std::size_t T>
RWKV_ALWAYS_INLINE void add_blocks(const BlockOperands& from, std::size_t blocks, Floats<L, N, T>& y) {
  constexpr PanelParts kBytes = panel_parts(P);
  for (std::size_t b = 0; b < blocks; ++b) {
    if constexpr (T == 1) {
      prefetch_block<L, P, N>(from, b, blocks);
    } else {
      RWKV_UNROLL
      for (std::size_t n = 0; n < N; ++n) L::prefetch(from.low + b * kBytes.low + n * from.stride + 2048);
    }
    Ints<L, N, T> sums;
    sum_block<L, P>(from, b, sums);
    RWKV_UNROLL
    for (std::size_t n = 0; n < N; ++n) {
      const std::byte* block = from.block + b * kBytes.block + n * from.stride;
      const std::byte* super = from.super + b / kSuperBlock * kBytes.super + n * from.stride;
      typename L::Float scale;
      [[maybe_unused]] typename L::Float minimum;
      if constexpr (P == Packing::kQ8_0 || P == Packing::kQ4_0) {
        scale = L::load_halves(block);
      } else if constexpr (P == Packing::kQ6_K) {
        scale = L::load_halves(super);
      } else {
        scale = L::multiply(L::load_halves(super), L::to_float(L::load_u8(block)));
        minimum = L::negate(L::multiply(L::load_halves(super + 32), L::to_float(L::load_u8(block + kPanelRows))));
      }
      RWKV_UNROLL
      for (std::size_t t = 0; t < T; ++t) {
        const auto factor = L::multiply(scale, L::splat(from.scales[b * kTile + t]));
        y.at[n][t] = L::fma(L::to_float(sums.at[n][t]), factor, y.at[n][t]);
        if constexpr (P == Packing::kQ4_K || P == Packing::kQ5_K) {
          y.at[n][t] = L::fma(minimum, L::splat(from.sums[b * kTile + t]), y.at[n][t]);
        }
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

// N panels of floats, `stride` apart, times T vectors.
template <class L, Packing P, std::size_t N, std::size_t T>
RWKV_ALWAYS_INLINE void multiply_floats(const std::byte* panel, std::size_t stride, const float* x, std::size_t columns,
                                        Floats<L, N, T>& y) {
  constexpr std::size_t kBytes = panel_parts(P).low / kBlock * kGroup;
  Floats<L, N, T> sums[kGroup];
  RWKV_UNROLL
  for (std::size_t i = 0; i < kGroup * N * T; ++i) sums[i / (N * T)].at[i / T % N][i % T] = L::zero();
  for (std::size_t c = 0; c < columns; c += kGroup) {
    RWKV_UNROLL
    for (std::size_t n = 0; n < N; ++n) {
      RWKV_UNROLL
      for (std::size_t line = 0; line < kBytes; line += 64) {
        L::prefetch(panel + n * stride + c / kGroup * kBytes + line + 2048);
      }
    }
    RWKV_UNROLL
    for (std::size_t j = 0; j < kGroup; ++j) {
      RWKV_UNROLL
      for (std::size_t n = 0; n < N; ++n) {
        const auto w = load_column<L, P>(panel + n * stride, c + j);
        RWKV_UNROLL
        for (std::size_t t = 0; t < T; ++t) {
          sums[j].at[n][t] = L::fma(w, L::splat(x[(c + j) * kTile + t]), sums[j].at[n][t]);
        }
      }
    }
  }
  RWKV_UNROLL
  for (std::size_t i = 0; i < N * T; ++i) {
    const auto sum = [&](std::size_t j) { return sums[j].at[i / T][i % T]; };
    y.at[i / T][i % T] = L::add(L::add(sum(0), sum(1)), L::add(sum(2), sum(3)));
  }
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
  float* y;  // of the first row and token
  std::size_t stride;
};

// T vectors from `token` on, all of one tile, times N panels from `first` on.
template <class L, Packing P, std::size_t N, std::size_t T>
RWKV_NEVER_INLINE void multiply_tile(const PanelMatrix& m, std::size_t first, const Vectors& x, std::size_t token,
                                     const Output& out) {
  const std::byte* panel = m.panels + first * m.panel_bytes;
  const std::size_t tile = token / kTile * kTile;
  const std::size_t lane = token % kTile;
  Floats<L, N, T> y;
  if constexpr (is_float(P)) {
    multiply_floats<L, P>(panel, m.panel_bytes, x.floats + tile * x.padded + lane, x.padded, y);
  } else {
    constexpr PanelParts kBytes = panel_parts(P);
    const std::size_t blocks = x.blocks();
    BlockOperands from;
    from.low = panel;
    from.high = from.low + blocks * kBytes.low;
    from.block = from.high + blocks * kBytes.high;
    from.super = from.block + blocks * kBytes.block;
    from.stride = m.panel_bytes;
    from.values = x.values + tile * x.length + lane * kGroup;
    from.scales = x.scales + tile * blocks + lane;
    from.sums = x.sums + tile * blocks + lane;
    from.totals = x.totals + tile * blocks + lane;
    from.halves = x.halves + 2 * tile * blocks + lane;
    RWKV_UNROLL
    for (std::size_t i = 0; i < N * T; ++i) y.at[i / T][i % T] = L::zero();
    add_blocks<L, P>(from, blocks, y);
  }
  for (std::size_t n = 0; n < N; ++n) {
    const std::size_t row = (first + n) * kPanelRows;
    const std::size_t rows = m.rows - row < kPanelRows ? m.rows - row : kPanelRows;
    for (std::size_t t = 0; t < T; ++t) {
      finish<L>(y.at[n][t], out.then, rows, out.y + (token + t) * out.stride + row);
    }
  }
}

template <class L, Packing P, std::size_t N>
void multiply_tokens(const PanelMatrix& m, std::size_t first, const Vectors& x, std::size_t tokens, const Output& out) {
  constexpr std::size_t kMost = is_float(P) ? L::kFloatTokens : L::kTokens;
  static_assert(kTile % kMost == 0);
  std::size_t token = 0;
  for (; tokens - token >= kMost; token += kMost) multiply_tile<L, P, N, kMost>(m, first, x, token, out);
  const std::size_t left = tokens - token;
  if constexpr (kMost > 2) {
    if (left == 3) return multiply_tile<L, P, N, 3>(m, first, x, token, out);
    if (left == 2) return multiply_tile<L, P, N, 2>(m, first, x, token, out);
  }
  if (left == 1) multiply_tile<L, P, N, 1>(m, first, x, token, out);
}

template <class L, Packing P>
void multiply_panels(const PanelMatrix& m, std::size_t first, std::size_t count, const Vectors& x, std::size_t tokens,
                     const Output& out) {
  const std::size_t end = first + count;
  constexpr std::size_t kStreams = is_float(P) ? L::kFloatStreams : L::kStreams;
  if constexpr (kStreams > 1) {
    for (; tokens == 1 && end - first >= kStreams; first += kStreams) {
      multiply_tile<L, P, kStreams, 1>(m, first, x, 0, out);
    }
  }
  if constexpr (!is_float(P) && L::kPanels > 1) {
    for (; tokens > 1 && end - first >= L::kPanels; first += L::kPanels) {
      multiply_tokens<L, P, L::kPanels>(m, first, x, tokens, out);
    }
  }
  for (; first < end; ++first) multiply_tokens<L, P, 1>(m, first, x, tokens, out);
}

template <class L>
void multiply_rows(const PanelMatrix& m, std::size_t first, std::size_t count, const Vectors& x, std::size_t tokens,
                   Then then, float* y, std::size_t y_stride) {
  const Output out{then, y, y_stride};
  switch (m.packing) {
#define RWKV_PACKING(p) \
  case Packing::p: return multiply_panels<L, Packing::p>(m, first, count, x, tokens, out)
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
