// What is computed of vectors value by value, and their sums. Loops over a fixed number of lanes, so that a compiler
// can use vector instructions of any width without another order of additions.
#pragma once

#include "backends/native/kernels/kernels.h"

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
  const float scale = 1.0f / __builtin_sqrtf(variance + epsilon);
  for (std::size_t i = 0; i < count; ++i) out[i] = (x[i] - mean) * scale * weights.weight[i] + weights.bias[i];
}

inline void shift(const float* x, const float* previous, const float* share, std::size_t count, float* out) {
  for (std::size_t i = 0; i < count; ++i) out[i] = x[i] + (previous[i] - x[i]) * share[i];
}

inline float magnitude(float x) { return x < 0 ? -x : x; }

// One block to whole numbers up to 127 in magnitude.
inline void quantise_block(const float* x, std::int8_t* values, float* scale, float* sum, std::int32_t* halves) {
  float most[kLanes];
  for (std::size_t i = 0; i < kLanes; ++i) {
    const float a = magnitude(x[i]);
    const float b = magnitude(x[i + kLanes]);
    most[i] = a > b ? a : b;
  }
  for (std::size_t width = kLanes / 2; width > 0; width /= 2) {
    for (std::size_t i = 0; i < width; ++i) most[i] = most[i] > most[i + width] ? most[i] : most[i + width];
  }
  const float inverse = most[0] > 0 ? 127.0f / most[0] : 0.0f;
  constexpr float kRound = 12582912.0f;
  std::int32_t whole[kBlock];
  for (std::size_t i = 0; i < kBlock; ++i) {
    whole[i] = __builtin_bit_cast(std::int32_t, x[i] * inverse + kRound) - __builtin_bit_cast(std::int32_t, kRound);
  }
  for (std::size_t i = 0; i < kBlock; ++i) values[i] = static_cast<std::int8_t>(whole[i]);
  halves[0] = 0;
  halves[1] = 0;
  for (std::size_t i = 0; i < kBlock / 2; ++i) halves[0] += whole[i];
  for (std::size_t i = kBlock / 2; i < kBlock; ++i) halves[1] += whole[i];
  *scale = most[0] / 127.0f;
  *sum = *scale * static_cast<float>(halves[0] + halves[1]);
}

inline void prepare(const float* row, const Vectors& x, std::size_t token) {
  if (x.floats != nullptr) {
    float* to = x.floats + token * x.stride;
    for (std::size_t i = 0; i < x.length; ++i) to[i] = row[i];
    for (std::size_t i = x.length; i < x.stride; ++i) to[i] = 0;
  }
  if (x.values == nullptr) return;
  const std::size_t blocks = x.length / kBlock;
  for (std::size_t b = 0; b < blocks; ++b) {
    const std::size_t at = token * blocks + b;
    quantise_block(row + b * kBlock, x.values + at * kBlock, x.scales + at, x.sums + at, x.half_sums + 2 * at);
  }
}

}  // namespace
}  // namespace rwkv::native
