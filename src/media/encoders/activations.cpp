#include "media/encoders/activations.h"

namespace rwkv::media {
namespace {

// Plain loops over these become vector code: no branches, no calls.

inline float clamped(float x, float low, float high) { return x < low ? low : (x > high ? high : x); }

// exp within 2 units in the last place, for -87 <= x <= 87: 2^n times a polynomial of the rest (Cephes' expf).
inline float exponential(float x) {
  x = clamped(x, -87.0f, 87.0f);
  constexpr float kRound = 12582912.0f;  // 1.5 * 2^23: adding it leaves a whole number
  const float shifted = x * 1.44269504088896341f + kRound;
  const float n = shifted - kRound;
  const float r = (x - n * 0.693359375f) - n * -2.12194440e-4f;
  float p = 1.9875691500e-4f;
  p = p * r + 1.3981999507e-3f;
  p = p * r + 8.3334519073e-3f;
  p = p * r + 4.1665795894e-2f;
  p = p * r + 1.6666665459e-1f;
  p = p * r + 5.0000001201e-1f;
  p = p * r * r + r + 1.0f;
  const int bits = (static_cast<int>(n) + 127) << 23;
  return p * __builtin_bit_cast(float, bits);
}

inline float sigmoid(float x) { return 1.0f / (1.0f + exponential(-x)); }

// Abramowitz and Stegun 7.1.26 is off by 1.5e-7: the complement of erf for x >= 0.
inline float erf_complement(float x) {
  const float t = 1.0f / (1.0f + 0.3275911f * x);
  float p = 1.061405429f;
  p = p * t - 1.453152027f;
  p = p * t + 1.421413741f;
  p = p * t - 0.284496736f;
  p = p * t + 0.254829592f;
  return p * t * exponential(-x * x);
}

}  // namespace

void gelu_tanh(float* values, std::size_t count) {
  for (std::size_t i = 0; i < count; ++i) {
    const float x = values[i];
    // (1 + tanh u) / 2 is the sigmoid of 2u.
    values[i] = x * sigmoid(1.5957691216057308f * (x + 0.044715f * x * x * x));
  }
}

void gelu_erf(float* values, std::size_t count) {
  for (std::size_t i = 0; i < count; ++i) {
    const float x = values[i];
    const float magnitude = x < 0 ? -x : x;
    const float half = 0.5f * erf_complement(magnitude * 0.70710678118654752f);
    values[i] = x * (x < 0 ? half : 1.0f - half);
  }
}

void gelu_quick(float* values, std::size_t count) {
  for (std::size_t i = 0; i < count; ++i) values[i] *= sigmoid(1.702f * values[i]);
}

void silu(float* values, std::size_t count) {
  for (std::size_t i = 0; i < count; ++i) values[i] *= sigmoid(values[i]);
}

}  // namespace rwkv::media
