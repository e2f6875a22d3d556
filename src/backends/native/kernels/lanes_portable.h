// Sixteen numbers at once, in plain C++: what the other lanes do with instructions of their own.
#pragma once

#include <cstring>

#include "backends/native/kernels/panels.h"

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
  using Wide = Bytes;  // bytes of any size; Bytes are less than 64 where they are multiplied
  struct Group {
    std::int8_t v[kGroup];
  };
  static constexpr bool kWideHasOffset =
      false;                                 // whether 128 that was added to bytes of any size is still to be taken off
  static constexpr std::size_t kPanels = 1;  // at once
  static constexpr std::size_t kTokens = 2;  // at once
  static constexpr std::size_t kFloatTokens = 2;
  static constexpr std::size_t kStreams = 1;       // panels at once of a single token, of blocks
  static constexpr std::size_t kFloatStreams = 1;  // and of floats

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
  static Float negate(Float a) {
    return each([&](std::size_t i) { return -a.v[i]; });
  }
  static Float multiply(Float a, Float b) {
    return each([&](std::size_t i) { return a.v[i] * b.v[i]; });
  }
  /// a * b + c, rounded once
  static Float fma(Float a, Float b, Float c) {
    return each([&](std::size_t i) { return fmaf(a.v[i], b.v[i], c.v[i]); });
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
  template <int Bits>
  static Int shift_left(Int a) {
    return each_int([&](std::size_t i) { return a.v[i] * (1 << Bits); });
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
  static void store_bytes(std::byte* to, const Bytes& a) { std::memcpy(to, a.v, sizeof a.v); }
  /// Of 64 bytes of four columns, in the order of a wide panel, those of 16 rows each.
  static void interleave(const std::byte* a, const std::byte* b, const std::byte* c, const std::byte* d, Bytes* rows) {
    const std::byte* columns[kGroup] = {a, b, c, d};
    for (std::size_t j = 0; j < kGroup; ++j) {
      for (std::size_t row = 0; row < 64; ++row) {
        rows[row / 16].v[row % 16 * kGroup + j] = static_cast<std::uint8_t>(columns[j][place_of_row(row)]);
      }
    }
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
  static Group load_group(const std::int8_t* from) {
    Group out;
    std::memcpy(out.v, from, sizeof out.v);
    return out;
  }
  /// sum + a group of each row times that of a vector
  static Int dot(Int sum, const Bytes& w, Group x) {
    for (std::size_t i = 0; i < 16; ++i) {
      for (std::size_t j = 0; j < kGroup; ++j) sum.v[i] += w.v[kGroup * i + j] * x.v[j];
    }
    return sum;
  }
  static Int dot_wide(Int sum, const Wide& w, Group x) {
    for (std::size_t i = 0; i < 16; ++i) {
      for (std::size_t j = 0; j < kGroup; ++j) sum.v[i] += (w.v[kGroup * i + j] - 128) * x.v[j];
    }
    return sum;
  }

  /// Of kBlock values.
  static float largest_magnitude(const float* from) {
    float most = 0;
    for (std::size_t i = 0; i < kBlock; ++i) {
      const float magnitude = from[i] < 0 ? -from[i] : from[i];
      most = magnitude > most ? magnitude : most;
    }
    return most;
  }
  /// kBlock values times a factor, to the nearest whole numbers, and the sums of their halves.
  static void round_block(const float* from, float factor, std::int8_t* to, std::int32_t* halves) {
    constexpr float kRound = 12582912.0f;  // 1.5 * 2^23: what is added to it is rounded to a whole number
    for (std::size_t h = 0; h < 2; ++h) {
      halves[h] = 0;
      for (std::size_t i = h * 16; i < h * 16 + 16; ++i) {
        const std::int32_t whole =
            __builtin_bit_cast(std::int32_t, from[i] * factor + kRound) - __builtin_bit_cast(std::int32_t, kRound);
        to[i] = static_cast<std::int8_t>(whole);
        halves[h] += whole;
      }
    }
  }
  static void prefetch(const std::byte*) {}
};

}  // namespace
}  // namespace rwkv::native
