// A matrix by columns times vectors. A value of the product is made as of panels, block after block, so it has the same
// bits; but a single token reads the columns alone that its vector has something for.
#pragma once

#include <cstring>

#include "backends/native/kernels/products.h"

namespace rwkv::native {
namespace {

constexpr std::size_t kQuarter = 4 * kPanelRows;  // rows whose bytes are 64 of a column
constexpr std::size_t kWidePanels = kWideRows / kPanelRows;

// Columns, and what belongs to blocks, of a wide panel.
struct WidePanel {
  WidePanel(const PanelMatrix& m, std::size_t index, std::size_t blocks)
      : columns(m.panels + index * m.panel_bytes), scales(columns + column_places(blocks) * kWideRows) {}

  const std::byte* scales_of(std::size_t block, std::size_t panel) const {
    return scales + (block * kWidePanels + panel) * 2 * kPanelRows;
  }

  const std::byte *columns, *scales;
};

// The vector of one token, which knows its values that are not zero.
template <class L>
RWKV_NEVER_INLINE void multiply_nonzero(const PanelMatrix& m, std::size_t index, const Vectors& x, const Output& out) {
  constexpr std::size_t kAhead = 32;  // columns
  const std::size_t blocks = x.blocks();
  const WidePanel panel(m, index, blocks);
  std::size_t count = 0;
  for (std::size_t b = 0; b < blocks; ++b) count += kGroup * x.fours[b];
  typename L::Float y[kWidePanels];
  RWKV_UNROLL
  for (std::size_t n = 0; n < kWidePanels; ++n) y[n] = L::zero();
  std::size_t at = 0;
  for (std::size_t b = 0; b < blocks; ++b) {
    Ints<L, kWidePanels, 1> sums;
    begin_sums<L, Packing::kQ8_0>(x.totals + b * kTile, sums);
    for (std::size_t four = 0; four < x.fours[b]; ++four, at += kGroup) {
      const std::byte* columns[kGroup];
      RWKV_UNROLL
      for (std::size_t j = 0; j < kGroup; ++j) {
        columns[j] = panel.columns + x.places[at + j] * kWideRows;
        const std::size_t next = at + j + kAhead;  // at the end those of the panel that follows
        const std::byte* line = next < count ? panel.columns + x.places[next] * kWideRows
                                             : panel.columns + m.panel_bytes + x.places[next % count] * kWideRows;
        L::prefetch(line);
        L::prefetch(line + 64);
      }
      const auto group = L::load_group(x.nonzero + at);
      RWKV_UNROLL
      for (std::size_t q = 0; q < kWideRows / kQuarter; ++q) {
        typename L::Bytes rows[kGroup];
        L::interleave(columns[0] + q * kQuarter, columns[1] + q * kQuarter, columns[2] + q * kQuarter,
                      columns[3] + q * kQuarter, rows);
        RWKV_UNROLL
        for (std::size_t n = 0; n < 4; ++n) {
          auto& sum = sums.at[4 * q + n][0];
          sum = L::dot_wide(sum, L::widen(rows[n]), group);
        }
      }
    }
    RWKV_UNROLL
    for (std::size_t line = 0; line < 2 * kWideRows; line += 64) L::prefetch(panel.scales_of(b + 8, 0) + line);
    const auto scale = L::splat(x.scales[b * kTile]);
    RWKV_UNROLL
    for (std::size_t n = 0; n < kWidePanels; ++n) {
      const auto factor = L::multiply(L::load_halves(panel.scales_of(b, n)), scale);
      y[n] = L::fma(L::to_float(sums.at[n][0]), factor, y[n]);
    }
  }
  for (std::size_t n = 0; n < kWidePanels; ++n) {
    finish<L>(y[n], out.then, kPanelRows, out.y + index * kWideRows + n * kPanelRows);
  }
}

// Some blocks of a wide panel as panels of rows.
struct Expanded {
  static constexpr std::size_t kBlocks = 4;
  static constexpr std::size_t kLow = kBlocks * panel_parts(Packing::kQ8_0).low;
  static constexpr std::size_t kStride = kLow + kBlocks * panel_parts(Packing::kQ8_0).block;

  alignas(64) std::byte panels[kWidePanels * kStride];
};

template <class L>
RWKV_NEVER_INLINE void expand(const WidePanel& panel, std::size_t blocks, std::size_t first, std::size_t count,
                              Expanded& to) {
  for (std::size_t b = 0; b < count; ++b) {
    for (std::size_t g = 0; g < kBlock / kGroup; ++g) {
      const std::byte* columns[kGroup];
      for (std::size_t j = 0; j < kGroup; ++j) {
        columns[j] = panel.columns + place_of_column((first + b) * kBlock + g * kGroup + j, blocks) * kWideRows;
      }
      for (std::size_t q = 0; q < kWideRows / kQuarter; ++q) {
        typename L::Bytes rows[4];
        L::interleave(columns[0] + q * kQuarter, columns[1] + q * kQuarter, columns[2] + q * kQuarter,
                      columns[3] + q * kQuarter, rows);
        for (std::size_t n = 0; n < 4; ++n) {
          L::store_bytes(to.panels + (4 * q + n) * Expanded::kStride + b * 512 + g * 64, rows[n]);
        }
      }
    }
    for (std::size_t n = 0; n < kWidePanels; ++n) {
      std::memcpy(to.panels + n * Expanded::kStride + Expanded::kLow + b * 2 * kPanelRows,
                  panel.scales_of(first + b, n), 2 * kPanelRows);
    }
  }
}

constexpr std::size_t kExpandedTokens = 32;

// What `count` blocks from `first` on add to the sums of N panels and T tokens; `token` is that of the vectors, `row`
// that of the sums.
template <class L, std::size_t N, std::size_t T>
RWKV_NEVER_INLINE void add_tile(const Expanded& from, std::size_t panel, std::size_t first, std::size_t count,
                                const Vectors& x, std::size_t token, float* sums) {
  const std::size_t tile = token / kTile * kTile;
  const std::size_t lane = token % kTile;
  const std::size_t block = tile * x.blocks() + first * kTile + lane;
  BlockOperands operands;
  operands.low = operands.high = operands.super = from.panels + panel * Expanded::kStride;
  operands.block = operands.low + Expanded::kLow;
  operands.stride = Expanded::kStride;
  operands.values = x.values + tile * x.length + first * kBlock * kTile + lane * kGroup;
  operands.scales = x.scales + block;
  operands.sums = x.sums + block;
  operands.totals = x.totals + block;
  operands.halves = nullptr;
  Floats<L, N, T> y;
  const auto place = [&](std::size_t n, std::size_t t) { return sums + t * kWideRows + (panel + n) * kPanelRows; };
  RWKV_UNROLL
  for (std::size_t i = 0; i < N * T; ++i) y.at[i / T][i % T] = L::load(place(i / T, i % T));
  add_blocks<L, Packing::kQ8_0>(operands, count, y);
  RWKV_UNROLL
  for (std::size_t i = 0; i < N * T; ++i) L::store(place(i / T, i % T), y.at[i / T][i % T]);
}

template <class L, std::size_t N>
void add_tokens(const Expanded& from, std::size_t panel, std::size_t first, std::size_t count, const Vectors& x,
                std::size_t token, std::size_t tokens, float* sums) {
  std::size_t t = 0;
  for (; tokens - t >= L::kTokens; t += L::kTokens) {
    add_tile<L, N, L::kTokens>(from, panel, first, count, x, token + t, sums + t * kWideRows);
  }
  const std::size_t left = tokens - t;
  float* rest = sums + t * kWideRows;
  if constexpr (L::kTokens > 2) {
    if (left == 3) return add_tile<L, N, 3>(from, panel, first, count, x, token + t, rest);
    if (left == 2) return add_tile<L, N, 2>(from, panel, first, count, x, token + t, rest);
  }
  if (left == 1) add_tile<L, N, 1>(from, panel, first, count, x, token + t, rest);
}

// Several tokens have something for nearly all columns.
template <class L>
RWKV_NEVER_INLINE void multiply_all(const PanelMatrix& m, std::size_t index, const Vectors& x, std::size_t tokens,
                                    const Output& out) {
  const std::size_t blocks = x.blocks();
  const WidePanel panel(m, index, blocks);
  Expanded expanded;
  alignas(64) float sums[kExpandedTokens * kWideRows];
  for (std::size_t token = 0; token < tokens; token += kExpandedTokens) {
    const std::size_t some = tokens - token < kExpandedTokens ? tokens - token : kExpandedTokens;
    std::memset(sums, 0, some * kWideRows * sizeof(float));
    for (std::size_t b = 0; b < blocks; b += Expanded::kBlocks) {
      const std::size_t count = blocks - b < Expanded::kBlocks ? blocks - b : Expanded::kBlocks;
      expand<L>(panel, blocks, b, count, expanded);
      std::size_t n = 0;
      for (; n + L::kPanels <= kWidePanels; n += L::kPanels) {
        add_tokens<L, L::kPanels>(expanded, n, b, count, x, token, some, sums);
      }
      if constexpr (kWidePanels % L::kPanels == 2) add_tokens<L, 2>(expanded, n, b, count, x, token, some, sums);
      static_assert(kWidePanels % L::kPanels == 0 || kWidePanels % L::kPanels == 2);
    }
    for (std::size_t t = 0; t < some; ++t) {
      float* y = out.y + (token + t) * out.stride + index * kWideRows;
      for (std::size_t n = 0; n < kWidePanels; ++n) {
        finish<L>(L::load(sums + t * kWideRows + n * kPanelRows), out.then, kPanelRows, y + n * kPanelRows);
      }
    }
  }
}

template <class L>
void multiply(const PanelMatrix& m, std::size_t first, std::size_t count, const Vectors& x, std::size_t tokens,
              Then then, float* y, std::size_t y_stride) {
  if (!m.by_columns) return multiply_rows<L>(m, first, count, x, tokens, then, y, y_stride);
  const Output out{then, y, y_stride};
  for (std::size_t i = first; i < first + count; ++i) {
    if (tokens == 1 && x.places != nullptr) {
      multiply_nonzero<L>(m, i, x, out);
    } else {
      multiply_all<L>(m, i, x, tokens, out);
    }
  }
}

}  // namespace
}  // namespace rwkv::native
