// Sixteen numbers at once in four registers of NEON.
#pragma once

#include <arm_neon.h>

#include <cstring>

#include "backends/native/kernels/kernels.h"

namespace rwkv::native {
namespace {

struct NeonLanes {
  struct Float {
    float32x4_t at[4];
  };
  struct Int {
    int32x4_t at[4];
  };
  struct Bytes {
    uint8x16_t at[4];
  };
  struct Wide {
    int8x16_t at[4];
  };
  using Group = int8x16_t;
  static constexpr bool kWideHasOffset = false;
  static constexpr std::size_t kPanels = 1;
  static constexpr std::size_t kTokens = 4;
  static constexpr std::size_t kFloatTokens = 2;
  static constexpr std::size_t kStreams = kDecodePanels;
  static constexpr std::size_t kFloatStreams = 1;  // more need more registers than there are

  // Of each register, by its number.
  template <class Out, class F>
  static Out each(F f) {
    return {{f(0), f(1), f(2), f(3)}};
  }

  static Float zero() { return splat(0.0f); }
  static Float splat(float x) {
    return each<Float>([=](int) { return vdupq_n_f32(x); });
  }
  static Float load(const float* from) {
    return each<Float>([=](int i) { return vld1q_f32(from + 4 * i); });
  }
  static void store(float* to, const Float& x) {
    for (int i = 0; i < 4; ++i) vst1q_f32(to + 4 * i, x.at[i]);
  }
  static uint16x8_t load_words(const std::byte* from) {
    return vreinterpretq_u16_u8(vld1q_u8(reinterpret_cast<const std::uint8_t*>(from)));
  }
  static Float load_halves(const std::byte* from) {
    const float16x8_t low = vreinterpretq_f16_u16(load_words(from));
    const float16x8_t high = vreinterpretq_f16_u16(load_words(from + 16));
    return {{vcvt_f32_f16(vget_low_f16(low)), vcvt_high_f32_f16(low), vcvt_f32_f16(vget_low_f16(high)),
             vcvt_high_f32_f16(high)}};
  }
  static Float load_bf16(const std::byte* from) {
    return each<Float>([=](int i) {
      const uint16x8_t words = load_words(from + i / 2 * 16);
      const uint16x4_t four = i % 2 == 0 ? vget_low_u16(words) : vget_high_u16(words);
      return vreinterpretq_f32_u32(vshlq_n_u32(vmovl_u16(four), 16));
    });
  }
  static Int load_u8(const std::byte* from) {
    const uint8x16_t all = vld1q_u8(reinterpret_cast<const std::uint8_t*>(from));
    const uint16x8_t low = vmovl_u8(vget_low_u8(all));
    const uint16x8_t high = vmovl_u8(vget_high_u8(all));
    return {{vreinterpretq_s32_u32(vmovl_u16(vget_low_u16(low))), vreinterpretq_s32_u32(vmovl_u16(vget_high_u16(low))),
             vreinterpretq_s32_u32(vmovl_u16(vget_low_u16(high))),
             vreinterpretq_s32_u32(vmovl_u16(vget_high_u16(high)))}};
  }
  static Int load_s8(const std::byte* from) {
    const int8x16_t all = vld1q_s8(reinterpret_cast<const std::int8_t*>(from));
    const int16x8_t low = vmovl_s8(vget_low_s8(all));
    const int16x8_t high = vmovl_s8(vget_high_s8(all));
    return {{vmovl_s16(vget_low_s16(low)), vmovl_s16(vget_high_s16(low)), vmovl_s16(vget_low_s16(high)),
             vmovl_s16(vget_high_s16(high))}};
  }
  static Float add(const Float& a, const Float& b) {
    return each<Float>([&](int i) { return vaddq_f32(a.at[i], b.at[i]); });
  }
  static Float negate(const Float& a) {
    return each<Float>([&](int i) { return vnegq_f32(a.at[i]); });
  }
  static Float multiply(const Float& a, const Float& b) {
    return each<Float>([&](int i) { return vmulq_f32(a.at[i], b.at[i]); });
  }
  static Float fma(const Float& a, const Float& b, const Float& c) {
    return each<Float>([&](int i) { return vfmaq_f32(c.at[i], a.at[i], b.at[i]); });
  }
  static Float positive(const Float& a) {
    return each<Float>([&](int i) { return vmaxnmq_f32(a.at[i], vdupq_n_f32(0)); });
  }
  static Float to_float(const Int& a) {
    return each<Float>([&](int i) { return vcvtq_f32_s32(a.at[i]); });
  }
  static Int splat_int(std::int32_t x) {
    return each<Int>([=](int) { return vdupq_n_s32(x); });
  }
  template <int Bits>
  static Int shift_left(const Int& a) {
    return each<Int>([&](int i) { return vshlq_n_s32(a.at[i], Bits); });
  }
  static Int add_int(const Int& a, const Int& b) {
    return each<Int>([&](int i) { return vaddq_s32(a.at[i], b.at[i]); });
  }
  static Int multiply_int(const Int& a, const Int& b) {
    return each<Int>([&](int i) { return vmulq_s32(a.at[i], b.at[i]); });
  }

  static Bytes load_bytes(const std::byte* from) {
    return each<Bytes>([=](int i) { return vld1q_u8(reinterpret_cast<const std::uint8_t*>(from) + 16 * i); });
  }
  static void store_bytes(std::byte* to, const Bytes& a) {
    for (int i = 0; i < 4; ++i) vst1q_u8(reinterpret_cast<std::uint8_t*>(to) + 16 * i, a.at[i]);
  }
  /// Of 64 bytes of four columns, in the order of a wide panel, those of 16 rows each.
  static void interleave(const std::byte* a, const std::byte* b, const std::byte* c, const std::byte* d, Bytes* rows) {
    const auto words = [](uint8x16_t x) { return vreinterpretq_u16_u8(x); };
    const auto bytes = [](uint16x8_t x) { return vreinterpretq_u8_u16(x); };
    const Bytes of[4] = {load_bytes(a), load_bytes(b), load_bytes(c), load_bytes(d)};
    for (int i = 0; i < 4; ++i) {
      const uint16x8_t low_ab = words(vzip1q_u8(of[0].at[i], of[1].at[i]));
      const uint16x8_t high_ab = words(vzip2q_u8(of[0].at[i], of[1].at[i]));
      const uint16x8_t low_cd = words(vzip1q_u8(of[2].at[i], of[3].at[i]));
      const uint16x8_t high_cd = words(vzip2q_u8(of[2].at[i], of[3].at[i]));
      rows[0].at[i] = bytes(vzip1q_u16(low_ab, low_cd));
      rows[1].at[i] = bytes(vzip2q_u16(low_ab, low_cd));
      rows[2].at[i] = bytes(vzip1q_u16(high_ab, high_cd));
      rows[3].at[i] = bytes(vzip2q_u16(high_ab, high_cd));
    }
  }
  template <int Left>
  static Bytes shift_and_mask(const Bytes& a, int mask) {
    return each<Bytes>([&](int i) {
      uint8x16_t shifted = a.at[i];
      if constexpr (Left > 0) shifted = vshlq_n_u8(shifted, Left);
      if constexpr (Left < 0) shifted = vshrq_n_u8(shifted, -Left);
      return vandq_u8(shifted, vdupq_n_u8(static_cast<std::uint8_t>(mask)));
    });
  }
  static Bytes either(const Bytes& a, const Bytes& b) {
    return each<Bytes>([&](int i) { return vorrq_u8(a.at[i], b.at[i]); });
  }
  static Wide widen(const Bytes& a) {
    return each<Wide>([&](int i) { return vreinterpretq_s8_u8(veorq_u8(a.at[i], vdupq_n_u8(128))); });
  }
  static Group load_group(const std::int8_t* from) {
    std::int32_t four;
    std::memcpy(&four, from, sizeof four);
    return vreinterpretq_s8_s32(vdupq_n_s32(four));
  }
  static int32x4_t dot(int32x4_t sum, int8x16_t w, int8x16_t x) {
    const int32x4_t low = vpaddlq_s16(vmull_s8(vget_low_s8(w), vget_low_s8(x)));
    const int32x4_t high = vpaddlq_s16(vmull_high_s8(w, x));
    return vaddq_s32(sum, vpaddq_s32(low, high));
  }
  static Int dot(const Int& sum, const Bytes& w, Group x) {
    return each<Int>([&](int i) { return dot(sum.at[i], vreinterpretq_s8_u8(w.at[i]), x); });
  }
  static Int dot_wide(const Int& sum, const Wide& w, Group x) {
    return each<Int>([&](int i) { return dot(sum.at[i], w.at[i], x); });
  }

  static float largest_magnitude(const float* from) {
    float32x4_t most = vdupq_n_f32(0);
    for (std::size_t i = 0; i < kBlock; i += 4) most = vmaxnmq_f32(most, vabsq_f32(vld1q_f32(from + i)));
    return vmaxnmvq_f32(most);
  }
  static void round_block(const float* from, float factor, std::int8_t* to, std::int32_t* halves) {
    for (std::size_t h = 0; h < 2; ++h) {
      const Int whole =
          each<Int>([=](int i) { return vcvtnq_s32_f32(vmulq_n_f32(vld1q_f32(from + 16 * h + 4 * i), factor)); });
      const int16x8_t low = vcombine_s16(vmovn_s32(whole.at[0]), vmovn_s32(whole.at[1]));
      const int16x8_t high = vcombine_s16(vmovn_s32(whole.at[2]), vmovn_s32(whole.at[3]));
      vst1q_s8(to + 16 * h, vcombine_s8(vmovn_s16(low), vmovn_s16(high)));
      halves[h] = vaddvq_s32(vaddq_s32(vaddq_s32(whole.at[0], whole.at[1]), vaddq_s32(whole.at[2], whole.at[3])));
    }
  }
  static void prefetch(const std::byte* line) { __builtin_prefetch(line); }
};

}  // namespace
}  // namespace rwkv::native
