// Sixteen numbers at once in a register of AVX-512.
#pragma once

#include <immintrin.h>

#include <cstring>

#include "backends/native/kernels/kernels.h"

namespace rwkv::native {
namespace {

struct Avx512Lanes {
  using Float = __m512;
  using Int = __m512i;
  using Bytes = __m512i;
  struct Wide {
    __m512i magnitude;
    __mmask64 negative;
  };
  using Group = __m512i;
  static constexpr bool kWideHasOffset = false;
  // Three times four sums of bytes and of floats leave registers for a group each of three rows and one vector.
  static constexpr std::size_t kPanels = 3;
  static constexpr std::size_t kTokens = 4;
  static constexpr std::size_t kFloatTokens = 4;
  static constexpr std::size_t kStreams = kDecodePanels;
  static constexpr std::size_t kFloatStreams = kDecodePanels;

  static Float zero() { return _mm512_setzero_ps(); }
  static Float splat(float x) { return _mm512_set1_ps(x); }
  static Float load(const float* from) { return _mm512_loadu_ps(from); }
  static void store(float* to, Float x) { _mm512_storeu_ps(to, x); }
  static Float load_halves(const std::byte* from) {
    return _mm512_cvtph_ps(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(from)));
  }
  static Float load_bf16(const std::byte* from) {
    const __m512i wide = _mm512_cvtepu16_epi32(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(from)));
    return _mm512_castsi512_ps(_mm512_slli_epi32(wide, 16));
  }
  static Int load_u8(const std::byte* from) {
    return _mm512_cvtepu8_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(from)));
  }
  static Int load_s8(const std::byte* from) {
    return _mm512_cvtepi8_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(from)));
  }
  static Float add(Float a, Float b) { return _mm512_add_ps(a, b); }
  static Float negate(Float a) { return _mm512_xor_ps(a, _mm512_set1_ps(-0.0f)); }
  static Float multiply(Float a, Float b) { return _mm512_mul_ps(a, b); }
  static Float fma(Float a, Float b, Float c) { return _mm512_fmadd_ps(a, b, c); }
  static Float positive(Float a) { return _mm512_max_ps(a, zero()); }
  static Float to_float(Int a) { return _mm512_cvtepi32_ps(a); }
  static Int splat_int(std::int32_t x) { return _mm512_set1_epi32(x); }
  template <int Bits>
  static Int shift_left(Int a) {
    return _mm512_slli_epi32(a, Bits);
  }
  static Int add_int(Int a, Int b) { return _mm512_add_epi32(a, b); }
  static Int multiply_int(Int a, Int b) { return _mm512_mullo_epi32(a, b); }

  static Bytes load_bytes(const std::byte* from) { return _mm512_loadu_si512(from); }
  static void store_bytes(std::byte* to, Bytes a) { _mm512_storeu_si512(to, a); }
  /// Of 64 bytes of four columns, in the order of a wide panel, those of 16 rows each.
  static void interleave(const std::byte* a, const std::byte* b, const std::byte* c, const std::byte* d, Bytes* rows) {
    const __m512i low_ab = _mm512_unpacklo_epi8(load_bytes(a), load_bytes(b));
    const __m512i high_ab = _mm512_unpackhi_epi8(load_bytes(a), load_bytes(b));
    const __m512i low_cd = _mm512_unpacklo_epi8(load_bytes(c), load_bytes(d));
    const __m512i high_cd = _mm512_unpackhi_epi8(load_bytes(c), load_bytes(d));
    rows[0] = _mm512_unpacklo_epi16(low_ab, low_cd);
    rows[1] = _mm512_unpackhi_epi16(low_ab, low_cd);
    rows[2] = _mm512_unpacklo_epi16(high_ab, high_cd);
    rows[3] = _mm512_unpackhi_epi16(high_ab, high_cd);
  }
  template <int Left>
  static Bytes shift_and_mask(Bytes a, int mask) {
    if constexpr (Left > 0) a = _mm512_slli_epi16(a, Left);
    if constexpr (Left < 0) a = _mm512_srli_epi16(a, -Left);
    return _mm512_and_si512(a, _mm512_set1_epi8(static_cast<char>(mask)));
  }
  static Bytes either(Bytes a, Bytes b) { return _mm512_or_si512(a, b); }
  static Wide widen(Bytes a) {
    const __m512i value = _mm512_xor_si512(a, _mm512_set1_epi8(-128));
    return {_mm512_abs_epi8(value), _mm512_movepi8_mask(value)};
  }
  static Group load_group(const std::int8_t* from) {
    std::int32_t four;
    std::memcpy(&four, from, sizeof four);
    return _mm512_set1_epi32(four);
  }
  // Pairs of products fit into 16 bits: below 64 * 127 * 2, or 128 * 127 * 2 of a magnitude.
  static Int dot(Int sum, Bytes w, Group x) {
    return _mm512_add_epi32(sum, _mm512_madd_epi16(_mm512_maddubs_epi16(w, x), _mm512_set1_epi16(1)));
  }
  static Int dot_wide(Int sum, const Wide& w, Group x) {
    return dot(sum, w.magnitude, _mm512_mask_sub_epi8(x, w.negative, _mm512_setzero_si512(), x));
  }

  static float largest_magnitude(const float* from) {
    return _mm512_reduce_max_ps(_mm512_max_ps(_mm512_abs_ps(load(from)), _mm512_abs_ps(load(from + 16))));
  }
  static void round_block(const float* from, float factor, std::int8_t* to, std::int32_t* halves) {
    for (std::size_t h = 0; h < 2; ++h) {
      const Int whole = _mm512_cvtps_epi32(multiply(load(from + 16 * h), splat(factor)));
      _mm_storeu_si128(reinterpret_cast<__m128i*>(to + 16 * h), _mm512_cvtepi32_epi8(whole));
      halves[h] = _mm512_reduce_add_epi32(whole);
    }
  }
  static void prefetch(const std::byte* at) { _mm_prefetch(reinterpret_cast<const char*>(at), _MM_HINT_T0); }
};

}  // namespace
}  // namespace rwkv::native
