// What is computed of vectors value by value, and their sums. Loops over a fixed number of lanes, so that a compiler
// can use vector instructions of any width without another order of additions.
#pragma once

#include <cstring>

#include "backends/native/kernels/panels.h"

namespace rwkv::native {
namespace {

constexpr std::size_t kLanes = 16;

inline float sum_of_lanes(const float* s) {
  float eight[8];
  for (std::size_t i = 0; i < 8; ++i) eight[i] = s[i] + s[i + 8];
  float four[4];
  for (std::size_t i = 0; i < 4; ++i) four[i] = eight[i] + eight[i + 4];
  return (four[0] + four[2]) + (four[1] + four[3]);
}

/// Of f(i) for all i below `count`: lane i % 16 has its own sum.
template <class F>
float sum_of(std::size_t count, F f) {
  float sums[kLanes] = {};
  std::size_t i = 0;
  for (; i + kLanes <= count; i += kLanes) {
    for (std::size_t lane = 0; lane < kLanes; ++lane) sums[lane] += f(i + lane);
  }
  for (std::size_t lane = 0; i + lane < count; ++lane) sums[lane] += f(i + lane);
  return sum_of_lanes(sums);
}

// After Cephes: e^x = 2^n e^r with |r| <= ln(2) / 2, within 2 units of the last place.
inline float exponential(float x) {
  x = x < -87.0f ? -87.0f : x;
  x = x > 88.0f ? 88.0f : x;
  constexpr float kRound = 12582912.0f;  // 1.5 * 2^23: what is added to it is rounded to a whole number
  const float shifted = x * 1.44269504f + kRound;
  const float n = shifted - kRound;
  const float r = (x - n * 0.693359375f) + n * 2.12194440e-4f;
  float p = 1.9875691500e-4f;
  p = p * r + 1.3981999507e-3f;
  p = p * r + 8.3334519073e-3f;
  p = p * r + 4.1665795894e-2f;
  p = p * r + 1.6666665459e-1f;
  p = p * r + 5.0000001201e-1f;
  const float e = p * (r * r) + r + 1.0f;
  const std::uint32_t power =
      (__builtin_bit_cast(std::uint32_t, shifted) - __builtin_bit_cast(std::uint32_t, kRound) + 127) << 23;
  return e * __builtin_bit_cast(float, power);
}

inline float sigmoid_of(float x) { return 1.0f / (1.0f + exponential(-x)); }

inline void sigmoid(float* x, std::size_t count) {
  for (std::size_t i = 0; i < count; ++i) x[i] = sigmoid_of(x[i]);
}

inline void tanh(float* x, std::size_t count) {
  for (std::size_t i = 0; i < count; ++i) x[i] = 1.0f - 2.0f / (1.0f + exponential(2.0f * x[i]));
}

inline void normalise(const float* x, std::size_t count, float epsilon, NormWeights weights, float* out) {
  const auto n = static_cast<float>(count);
  const float mean = sum_of(count, [=](std::size_t i) { return x[i]; }) / n;
  const float variance = sum_of(count, [=](std::size_t i) { return (x[i] - mean) * (x[i] - mean); }) / n;
  const float scale = 1.0f / sqrtf(variance + epsilon);
  for (std::size_t i = 0; i < count; ++i) out[i] = (x[i] - mean) * scale * weights.weight[i] + weights.bias[i];
}

inline void shift(const float* x, const float* previous, const float* share, std::size_t count, float* out) {
  for (std::size_t i = 0; i < count; ++i) out[i] = x[i] + (previous[i] - x[i]) * share[i];
}

// Block b of a token, whose tile begins at block `first`, to whole numbers up to 127 in magnitude.
template <class L>
void quantise_block(const float* row, const Vectors& x, std::size_t first, std::size_t lane, std::size_t b) {
  const float* from = row + b * kBlock;
  const float most = L::largest_magnitude(from);
  std::int8_t bytes[kBlock];
  std::int32_t halves[2];
  L::round_block(from, most > 0 ? 127.0f / most : 0.0f, bytes, halves);
  std::int8_t* to = x.values + (first + b * kTile) * kBlock + lane * kGroup;
  for (std::size_t g = 0; g < kBlock / kGroup; ++g) std::memcpy(to + g * kGroup * kTile, bytes + g * kGroup, kGroup);
  const std::size_t at = first + b * kTile + lane;
  const float scale = most / 127.0f;
  x.scales[at] = scale;
  x.sums[at] = scale * static_cast<float>(halves[0] + halves[1]);
  x.totals[at] = -(halves[0] + halves[1]);
  for (std::size_t h = 0; h < 2; ++h) x.halves[2 * (first + b * kTile) + h * kTile + lane] = -halves[h];
}

// Lists the values of the first token that are not zero.
inline void list_nonzero(const Vectors& x) {
  std::size_t at = 0;
  for (std::size_t b = 0; b < x.blocks(); ++b) {
    const std::size_t begin = at;
    for (std::size_t i = 0; i < kBlock; ++i) {
      const std::int8_t value = x.values[(b * kBlock + i / kGroup * kGroup) * kTile + i % kGroup];
      x.nonzero[at] = value;
      x.places[at] = static_cast<std::uint32_t>(place_of_column(b * kBlock + i, x.blocks()));
      at += value != 0 ? 1 : 0;
    }
    for (; (at - begin) % kGroup != 0; ++at) {
      x.nonzero[at] = 0;
      x.places[at] = x.places[begin];
    }
    x.fours[b] = static_cast<std::uint8_t>((at - begin) / kGroup);
  }
}

template <class L>
void prepare(const float* row, const Vectors& x, std::size_t token) {
  const std::size_t tile = token / kTile * kTile;
  const std::size_t lane = token % kTile;
  if (x.floats != nullptr) {
    float* to = x.floats + tile * x.padded + lane;
    for (std::size_t i = 0; i < x.length; ++i) to[i * kTile] = row[i];
    for (std::size_t i = x.length; i < x.padded; ++i) to[i * kTile] = 0;
  }
  if (x.values == nullptr) return;
  for (std::size_t b = 0; b < x.blocks(); ++b) quantise_block<L>(row, x, tile * x.blocks(), lane, b);
  if (x.places != nullptr && token == 0) list_nonzero(x);
}

}  // namespace
}  // namespace rwkv::native
