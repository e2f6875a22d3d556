// Sixteen numbers at once, in plain C++: what the other lanes do with instructions of their own.
#pragma once

#include <cstring>

#include "backends/native/kernels/kernels.h"

namespace rwkv::native {
namespace {

inline float float_of(std::uint32_t bits) { return __builtin_bit_cast(float, bits); }

inline float float_of_half(std::uint16_t half) {
  const std::uint32_t sign = (half & 0x8000u) << 16;
  const std::uint32_t rest = half & 0x7FFFu;
  // Moved into a float's place the exponent is too small by 112; of infinities and NaN by as much again.
  if (rest >= 0x7C00u) return float_of(sign | 0x7F800000u | (rest & 0x3FFu) << 13);
  const float value = float_of(rest << 13) * float_of(0x77800000u);  // 2^112
  return float_of(__builtin_bit_cast(std::uint32_t, value) | sign);
}

struct PortableLanes {
  struct Float {
    float v[16];
  };
  struct Int {
    std::int32_t v[16];
  };
  struct Bytes {
    std::uint8_t v[64];
  };
  using Wide = Bytes;                             // bytes of any size; Bytes are less than 64 where they are multiplied
  static constexpr std::int32_t kWideOffset = 0;  // what is left of it to be taken off, of 128 that were added
  static constexpr std::size_t kTile = 2;         // tokens at once

  template <class F>
  static Float each(F f) {
    Float out;
    for (std::size_t i = 0; i < 16; ++i) out.v[i] = f(i);
    return out;
  }
  template <class F>
  static Int each_int(F f) {
    Int out;
    for (std::size_t i = 0; i < 16; ++i) out.v[i] = f(i);
    return out;
  }
  template <class F>
  static Bytes each_byte(F f) {
    Bytes out;
    for (std::size_t i = 0; i < 64; ++i) out.v[i] = static_cast<std::uint8_t>(f(i));
    return out;
  }

  static Float zero() {
    return each([](std::size_t) { return 0.0f; });
  }
  static Float splat(float x) {
    return each([x](std::size_t) { return x; });
  }
  static Float load(const float* from) {
    Float out;
    std::memcpy(out.v, from, sizeof out.v);
    return out;
  }
  static void store(float* to, Float x) { std::memcpy(to, x.v, sizeof x.v); }
  static Float load_halves(const std::byte* from) {
    std::uint16_t bits[16];
    std::memcpy(bits, from, sizeof bits);
    return each([&](std::size_t i) { return float_of_half(bits[i]); });
  }
  static Float load_bf16(const std::byte* from) {
    std::uint16_t bits[16];
    std::memcpy(bits, from, sizeof bits);
    return each([&](std::size_t i) { return float_of(std::uint32_t{bits[i]} << 16); });
  }
  static Int load_u8(const std::byte* from) {
    return each_int([=](std::size_t i) { return static_cast<std::int32_t>(from[i]); });
  }
  static Int load_s8(const std::byte* from) {
    return each_int([=](std::size_t i) { return static_cast<std::int8_t>(from[i]); });
  }
  static Float add(Float a, Float b) {
    return each([&](std::size_t i) { return a.v[i] + b.v[i]; });
  }
  static Float subtract(Float a, Float b) {
    return each([&](std::size_t i) { return a.v[i] - b.v[i]; });
  }
  static Float multiply(Float a, Float b) {
    return each([&](std::size_t i) { return a.v[i] * b.v[i]; });
  }
  static Float positive(Float a) {
    return each([&](std::size_t i) { return a.v[i] > 0 ? a.v[i] : 0.0f; });
  }
  static Float to_float(Int a) {
    return each([&](std::size_t i) { return static_cast<float>(a.v[i]); });
  }
  static Int splat_int(std::int32_t x) {
    return each_int([x](std::size_t) { return x; });
  }
  static Int add_int(Int a, Int b) {
    return each_int([&](std::size_t i) { return a.v[i] + b.v[i]; });
  }
  static Int multiply_int(Int a, Int b) {
    return each_int([&](std::size_t i) { return a.v[i] * b.v[i]; });
  }

  static Bytes load_bytes(const std::byte* from) {
    Bytes out;
    std::memcpy(out.v, from, sizeof out.v);
    return out;
  }
  /// Each byte shifted to the left (to the right where Left is negative), and of that what the mask has.
  template <int Left>
  static Bytes shift_and_mask(Bytes a, int mask) {
    return each_byte([&](std::size_t i) { return (Left >= 0 ? a.v[i] << (Left & 7) : a.v[i] >> (-Left & 7)) & mask; });
  }
  static Bytes either(Bytes a, Bytes b) {
    return each_byte([&](std::size_t i) { return a.v[i] | b.v[i]; });
  }
  static Wide widen(Bytes a) { return a; }
  /// sum + 4 bytes of each row times 4 of a vector
  static Int dot(Int sum, Bytes w, const std::int8_t* x) {
    for (std::size_t i = 0; i < 16; ++i) {
      for (std::size_t j = 0; j < kGroup; ++j) sum.v[i] += w.v[kGroup * i + j] * x[j];
    }
    return sum;
  }
  static Int dot_wide(Int sum, Wide w, const std::int8_t* x) {
    for (std::size_t i = 0; i < 16; ++i) {
      for (std::size_t j = 0; j < kGroup; ++j) sum.v[i] += (w.v[kGroup * i + j] - 128) * x[j];
    }
    return sum;
  }
  static void prefetch(const std::byte*) {}
};

}  // namespace
}  // namespace rwkv::native
