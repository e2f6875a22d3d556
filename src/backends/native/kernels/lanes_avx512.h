// Sixteen numbers at once in a register of AVX-512; bytes with VNNI.
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
  using Wide = __m512i;
  static constexpr std::int32_t kWideOffset = 128;
  static constexpr std::size_t kTile = 8;

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
  static Float subtract(Float a, Float b) { return _mm512_sub_ps(a, b); }
  static Float multiply(Float a, Float b) { return _mm512_mul_ps(a, b); }
  static Float positive(Float a) { return _mm512_max_ps(a, zero()); }
  static Float to_float(Int a) { return _mm512_cvtepi32_ps(a); }
  static Int splat_int(std::int32_t x) { return _mm512_set1_epi32(x); }
  static Int add_int(Int a, Int b) { return _mm512_add_epi32(a, b); }
  static Int multiply_int(Int a, Int b) { return _mm512_mullo_epi32(a, b); }

  static Bytes load_bytes(const std::byte* from) { return _mm512_loadu_si512(from); }
  template <int Left>
  static Bytes shift_and_mask(Bytes a, int mask) {
    if constexpr (Left > 0) a = _mm512_slli_epi16(a, Left);
    if constexpr (Left < 0) a = _mm512_srli_epi16(a, -Left);
    return _mm512_and_si512(a, _mm512_set1_epi8(static_cast<char>(mask)));
  }
  static Bytes either(Bytes a, Bytes b) { return _mm512_or_si512(a, b); }
  static Wide widen(Bytes a) { return a; }
  static Int dot(Int sum, Bytes w, const std::int8_t* x) {
    std::int32_t four;
    std::memcpy(&four, x, sizeof four);
    return _mm512_dpbusd_epi32(sum, w, _mm512_set1_epi32(four));
  }
  static Int dot_wide(Int sum, Wide w, const std::int8_t* x) { return dot(sum, w, x); }
  static void prefetch(const std::byte* at) { _mm_prefetch(reinterpret_cast<const char*>(at), _MM_HINT_T0); }
};

}  // namespace
}  // namespace rwkv::native
