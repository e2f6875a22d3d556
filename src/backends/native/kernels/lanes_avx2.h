// Sixteen numbers at once in two registers of AVX2.
#pragma once

#include <immintrin.h>

#include <cstring>

#include "backends/native/kernels/kernels.h"

namespace rwkv::native {
namespace {

struct Avx2Lanes {
  struct Float {
    __m256 low, high;
  };
  struct Int {
    __m256i low, high;
  };
  using Bytes = Int;
  struct Wide {
    Int value, magnitude;  // signed, and without the sign
  };
  static constexpr std::int32_t kWideOffset = 0;
  static constexpr std::size_t kTile = 2;

  static const __m256i* at(const std::byte* from) { return reinterpret_cast<const __m256i*>(from); }

  static Float zero() { return {_mm256_setzero_ps(), _mm256_setzero_ps()}; }
  static Float splat(float x) { return {_mm256_set1_ps(x), _mm256_set1_ps(x)}; }
  static Float load(const float* from) { return {_mm256_loadu_ps(from), _mm256_loadu_ps(from + 8)}; }
  static void store(float* to, Float x) {
    _mm256_storeu_ps(to, x.low);
    _mm256_storeu_ps(to + 8, x.high);
  }
  static Float load_halves(const std::byte* from) {
    const auto* eight = reinterpret_cast<const __m128i*>(from);
    return {_mm256_cvtph_ps(_mm_loadu_si128(eight)), _mm256_cvtph_ps(_mm_loadu_si128(eight + 1))};
  }
  static __m256 bf16(const __m128i* eight) {
    return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(_mm_loadu_si128(eight)), 16));
  }
  static Float load_bf16(const std::byte* from) {
    const auto* eight = reinterpret_cast<const __m128i*>(from);
    return {bf16(eight), bf16(eight + 1)};
  }
  static Int load_u8(const std::byte* from) {
    const __m128i all = _mm_loadu_si128(reinterpret_cast<const __m128i*>(from));
    return {_mm256_cvtepu8_epi32(all), _mm256_cvtepu8_epi32(_mm_srli_si128(all, 8))};
  }
  static Int load_s8(const std::byte* from) {
    const __m128i all = _mm_loadu_si128(reinterpret_cast<const __m128i*>(from));
    return {_mm256_cvtepi8_epi32(all), _mm256_cvtepi8_epi32(_mm_srli_si128(all, 8))};
  }
  static Float add(Float a, Float b) { return {_mm256_add_ps(a.low, b.low), _mm256_add_ps(a.high, b.high)}; }
  static Float subtract(Float a, Float b) { return {_mm256_sub_ps(a.low, b.low), _mm256_sub_ps(a.high, b.high)}; }
  static Float multiply(Float a, Float b) { return {_mm256_mul_ps(a.low, b.low), _mm256_mul_ps(a.high, b.high)}; }
  static Float positive(Float a) {
    return {_mm256_max_ps(a.low, _mm256_setzero_ps()), _mm256_max_ps(a.high, _mm256_setzero_ps())};
  }
  static Float to_float(Int a) { return {_mm256_cvtepi32_ps(a.low), _mm256_cvtepi32_ps(a.high)}; }
  static Int splat_int(std::int32_t x) { return {_mm256_set1_epi32(x), _mm256_set1_epi32(x)}; }
  static Int add_int(Int a, Int b) { return {_mm256_add_epi32(a.low, b.low), _mm256_add_epi32(a.high, b.high)}; }
  static Int multiply_int(Int a, Int b) {
    return {_mm256_mullo_epi32(a.low, b.low), _mm256_mullo_epi32(a.high, b.high)};
  }

  static Bytes load_bytes(const std::byte* from) {
    return {_mm256_loadu_si256(at(from)), _mm256_loadu_si256(at(from) + 1)};
  }
  template <int Left>
  static __m256i shift(__m256i a) {
    if constexpr (Left > 0) return _mm256_slli_epi16(a, Left);
    if constexpr (Left < 0) return _mm256_srli_epi16(a, -Left);
    return a;
  }
  template <int Left>
  static Bytes shift_and_mask(Bytes a, int mask) {
    const __m256i wanted = _mm256_set1_epi8(static_cast<char>(mask));
    return {_mm256_and_si256(shift<Left>(a.low), wanted), _mm256_and_si256(shift<Left>(a.high), wanted)};
  }
  static Bytes either(Bytes a, Bytes b) { return {_mm256_or_si256(a.low, b.low), _mm256_or_si256(a.high, b.high)}; }
  static Wide widen(Bytes a) {
    const __m256i offset = _mm256_set1_epi8(-128);
    const Int value{_mm256_xor_si256(a.low, offset), _mm256_xor_si256(a.high, offset)};
    return {value, {_mm256_abs_epi8(value.low), _mm256_abs_epi8(value.high)}};
  }
  // Pairs of products fit into 16 bits: below 64 * 127 * 2, or 128 * 127 * 2 of a magnitude.
  static __m256i dot(__m256i sum, __m256i w, __m256i x) {
    return _mm256_add_epi32(sum, _mm256_madd_epi16(_mm256_maddubs_epi16(w, x), _mm256_set1_epi16(1)));
  }
  static __m256i four_of(const std::int8_t* x) {
    std::int32_t four;
    std::memcpy(&four, x, sizeof four);
    return _mm256_set1_epi32(four);
  }
  static Int dot(Int sum, Bytes w, const std::int8_t* x) {
    const __m256i four = four_of(x);
    return {dot(sum.low, w.low, four), dot(sum.high, w.high, four)};
  }
  static Int dot_wide(Int sum, Wide w, const std::int8_t* x) {
    const __m256i four = four_of(x);
    return {dot(sum.low, w.magnitude.low, _mm256_sign_epi8(four, w.value.low)),
            dot(sum.high, w.magnitude.high, _mm256_sign_epi8(four, w.value.high))};
  }
  static void prefetch(const std::byte* line) { _mm_prefetch(reinterpret_cast<const char*>(line), _MM_HINT_T0); }
};

}  // namespace
}  // namespace rwkv::native
