// Every half and many floats, against arithmetic in double precision.
#include "formats/floats.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <limits>
#include <random>
#include <vector>

namespace rwkv {
namespace {

TEST(Floats, EveryHalfAndBfloatBecomesItsValue) {
  for (std::uint32_t bits = 0; bits < 65536; ++bits) {
    const auto half = static_cast<std::uint16_t>(bits);
    float value = 0;
    decode_floats(DataType::kF16, reinterpret_cast<const std::byte*>(&half), std::span(&value, 1));
    const int exponent = static_cast<int>(bits >> 10) & 0x1F;
    const double mantissa = bits & 0x3FF;
    double expected = exponent == 0   ? std::ldexp(mantissa, -24)
                      : exponent < 31 ? std::ldexp(mantissa + 1024, exponent - 25)
                      : mantissa == 0 ? std::numeric_limits<double>::infinity()
                                      : std::numeric_limits<double>::quiet_NaN();
    if ((bits & 0x8000u) != 0) expected = -expected;
    if (std::isnan(expected)) {
      EXPECT_TRUE(std::isnan(value)) << bits;
    } else {
      EXPECT_EQ(static_cast<double>(value), expected) << bits;
      EXPECT_EQ(std::signbit(value), (bits & 0x8000u) != 0);
    }
    decode_floats(DataType::kBF16, reinterpret_cast<const std::byte*>(&half), std::span(&value, 1));
    std::uint32_t back = 0;
    std::memcpy(&back, &value, sizeof back);
    EXPECT_EQ(back, bits << 16);
  }
}

std::uint16_t half_of(float value) {
  std::uint16_t half = 0;
  EXPECT_TRUE(encode_halves(std::span(&value, 1), reinterpret_cast<std::byte*>(&half))) << value;
  return half;
}

TEST(Floats, EveryHalfComesBackFromItsFloat) {
  for (std::uint32_t bits = 0; bits < 65536; ++bits) {
    if ((bits & 0x7C00u) == 0x7C00u) continue;  // not finite
    const auto half = static_cast<std::uint16_t>(bits);
    float value = 0;
    decode_floats(DataType::kF16, reinterpret_cast<const std::byte*>(&half), std::span(&value, 1));
    ASSERT_EQ(half_of(value), half);
  }
}

TEST(Floats, AFloatBecomesTheNearestHalfAndATieTheEvenOne) {
  std::mt19937 random(1);
  std::vector<float> values{1.0f + 0x1p-11f, 1.0f + 0x1.8p-10f, 1.0f + 0x1.1p-11f, 0x1p-25f, 0x1.8p-24f, 65519.0f};
  for (int i = 0; i < 100'000; ++i) {
    const auto bits = static_cast<std::uint32_t>(random());
    float value = 0;
    std::memcpy(&value, &bits, sizeof value);
    if (std::fabs(value) < 65520) values.push_back(value);  // not a NaN either
  }
  for (const float value : values) {
    // Halves below 2^-14 are multiples of 2^-24, others have 11 bits.
    const int last_bit = std::max(value == 0 ? -24 : std::ilogb(value) - 10, -24);
    const double expected = std::ldexp(std::nearbyint(std::ldexp(static_cast<double>(value), -last_bit)), last_bit);
    const std::uint16_t half = half_of(value);
    float back = 0;
    decode_floats(DataType::kF16, reinterpret_cast<const std::byte*>(&half), std::span(&back, 1));
    ASSERT_EQ(static_cast<double>(back), expected) << value;
    ASSERT_EQ(std::signbit(back), std::signbit(value));
  }
}

TEST(Floats, WhatNoHalfCanHoldIsSaid) {
  for (const float value : {65520.0f, -1e6f, std::numeric_limits<float>::infinity(), std::nanf("")}) {
    std::uint16_t half = 0;
    EXPECT_FALSE(encode_halves(std::span(&value, 1), reinterpret_cast<std::byte*>(&half))) << value;
  }
}

}  // namespace
}  // namespace rwkv
