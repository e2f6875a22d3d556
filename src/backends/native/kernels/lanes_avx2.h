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
  using Group = __m256i;
  static constexpr bool kWideHasOffset = false;
  static constexpr std::size_t kPanels = 1;
  static constexpr std::size_t kTokens = 2;
  static constexpr std::size_t kFloatTokens = 2;
  static constexpr std::size_t kStreams = kDecodePanels;
  static constexpr std::size_t kFloatStreams = 1;  // more need more registers than there are

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
  static Float negate(Float a) {
    const __m256 sign = _mm256_set1_ps(-0.0f);
    return {_mm256_xor_ps(a.low, sign), _mm256_xor_ps(a.high, sign)};
  }
  static Float multiply(Float a, Float b) { return {_mm256_mul_ps(a.low, b.low), _mm256_mul_ps(a.high, b.high)}; }
  static Float fma(Float a, Float b, Float c) {
    return {_mm256_fmadd_ps(a.low, b.low, c.low), _mm256_fmadd_ps(a.high, b.high, c.high)};
  }
  static Float positive(Float a) {
    return {_mm256_max_ps(a.low, _mm256_setzero_ps()), _mm256_max_ps(a.high, _mm256_setzero_ps())};
  }
  static Float to_float(Int a) { return {_mm256_cvtepi32_ps(a.low), _mm256_cvtepi32_ps(a.high)}; }
  static Int splat_int(std::int32_t x) { return {_mm256_set1_epi32(x), _mm256_set1_epi32(x)}; }
  template <int Bits>
  static Int shift_left(Int a) {
    return {_mm256_slli_epi32(a.low, Bits), _mm256_slli_epi32(a.high, Bits)};
  }
  static Int add_int(Int a, Int b) { return {_mm256_add_epi32(a.low, b.low), _mm256_add_epi32(a.high, b.high)}; }
  static Int multiply_int(Int a, Int b) {
    return {_mm256_mullo_epi32(a.low, b.low), _mm256_mullo_epi32(a.high, b.high)};
  }

  static Bytes load_bytes(const std::byte* from) {
    return {_mm256_loadu_si256(at(from)), _mm256_loadu_si256(at(from) + 1)};
  }
  static void store_bytes(std::byte* to, Bytes a) {
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(to), a.low);
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(to) + 1, a.high);
  }
  /// Of 64 bytes of four columns, in the order of a wide panel, those of 16 rows each.
  static void interleave(const std::byte* a, const std::byte* b, const std::byte* c, const std::byte* d, Bytes* rows) {
    const auto half = [&](std::size_t i, __m256i Bytes::* part) {
      const __m256i low_ab = _mm256_unpacklo_epi8(_mm256_loadu_si256(at(a) + i), _mm256_loadu_si256(at(b) + i));
      const __m256i high_ab = _mm256_unpackhi_epi8(_mm256_loadu_si256(at(a) + i), _mm256_loadu_si256(at(b) + i));
      const __m256i low_cd = _mm256_unpacklo_epi8(_mm256_loadu_si256(at(c) + i), _mm256_loadu_si256(at(d) + i));
      const __m256i high_cd = _mm256_unpackhi_epi8(_mm256_loadu_si256(at(c) + i), _mm256_loadu_si256(at(d) + i));
      rows[0].*part = _mm256_unpacklo_epi16(low_ab, low_cd);
      rows[1].*part = _mm256_unpackhi_epi16(low_ab, low_cd);
      rows[2].*part = _mm256_unpacklo_epi16(high_ab, high_cd);
      rows[3].*part = _mm256_unpackhi_epi16(high_ab, high_cd);
    };
    half(0, &Bytes::low);
    half(1, &Bytes::high);
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
  static Group load_group(const std::int8_t* from) {
    std::int32_t four;
    std::memcpy(&four, from, sizeof four);
    return _mm256_set1_epi32(four);
  }
  static Int dot(Int sum, Bytes w, Group x) { return {dot(sum.low, w.low, x), dot(sum.high, w.high, x)}; }
  static Int dot_wide(Int sum, Wide w, Group x) {
    return {dot(sum.low, w.magnitude.low, _mm256_sign_epi8(x, w.value.low)),
            dot(sum.high, w.magnitude.high, _mm256_sign_epi8(x, w.value.high))};
  }

  static float largest_magnitude(const float* from) {
    const __m256 sign = _mm256_set1_ps(-0.0f);
    __m256 most = _mm256_setzero_ps();
    for (std::size_t i = 0; i < kBlock; i += 8) {
      most = _mm256_max_ps(most, _mm256_andnot_ps(sign, _mm256_loadu_ps(from + i)));
    }
    __m128 four = _mm_max_ps(_mm256_castps256_ps128(most), _mm256_extractf128_ps(most, 1));
    four = _mm_max_ps(four, _mm_movehl_ps(four, four));
    return _mm_cvtss_f32(_mm_max_ss(four, _mm_shuffle_ps(four, four, 1)));
  }
  static __m256i rounded(const float* from, float factor) {
    return _mm256_cvtps_epi32(_mm256_mul_ps(_mm256_loadu_ps(from), _mm256_set1_ps(factor)));
  }
  static void round_block(const float* from, float factor, std::int8_t* to, std::int32_t* halves) {
    for (std::size_t h = 0; h < 2; ++h) {
      const __m256i low = rounded(from + 16 * h, factor);
      const __m256i high = rounded(from + 16 * h + 8, factor);
      // Packing takes the two halves of a register for themselves.
      const __m256i words = _mm256_permute4x64_epi64(_mm256_packs_epi32(low, high), 0xD8);
      const __m128i bytes = _mm_packs_epi16(_mm256_castsi256_si128(words), _mm256_extracti128_si256(words, 1));
      _mm_storeu_si128(reinterpret_cast<__m128i*>(to + 16 * h), bytes);
      const __m256i sum = _mm256_add_epi32(low, high);
      __m128i four = _mm_add_epi32(_mm256_castsi256_si128(sum), _mm256_extracti128_si256(sum, 1));
      four = _mm_add_epi32(four, _mm_shuffle_epi32(four, 0x4E));
      halves[h] = _mm_cvtsi128_si32(_mm_add_epi32(four, _mm_shuffle_epi32(four, 0xB1)));
    }
  }
  static void prefetch(const std::byte* line) { _mm_prefetch(reinterpret_cast<const char*>(line), _MM_HINT_T0); }
};

}  // namespace
}  // namespace rwkv::native
