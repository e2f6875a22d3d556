// Numbers in all types, against calculations of another kind.
#include "convert/encoding.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <vector>

#include "convert/decoding.h"

namespace rwkv::convert {
namespace {

TEST(Encoding, HalvesAndBfloatsRoundToTheNearestAndTiesToEven) {
  const std::vector<float> values{1.0f + 0x1p-11f, 1.0f + 0x1.8p-10f, 1.0f + 0x1.1p-11f,
                                  65504.0f,        0x1p-25f,          0x1.8p-24f};
  std::vector<std::uint16_t> out(values.size());
  encode(GgmlType::kF16, values, values.size(), std::as_writable_bytes(std::span(out)));
  EXPECT_EQ(out, (std::vector<std::uint16_t>{0x3C00, 0x3C02, 0x3C01, 0x7BFF, 0, 2}));
  const std::vector<float> wide{1.0f + 0x1p-8f, 1.0f + 0x1.8p-7f, -1.0f - 0x1.1p-8f};
  out.resize(wide.size());
  encode(GgmlType::kBF16, wide, wide.size(), std::as_writable_bytes(std::span(out)));
  EXPECT_EQ(out, (std::vector<std::uint16_t>{0x3F80, 0x3F82, 0xBF81}));
}

TEST(Encoding, FitsAreFiniteAndForHalvesUpTo65504) {
  const float kInfinite = std::numeric_limits<float>::infinity();
  const float kNan = std::numeric_limits<float>::quiet_NaN();
  for (const GgmlType type : {GgmlType::kF32, GgmlType::kBF16, GgmlType::kF16, GgmlType::kQ8_0}) {
    const bool wide = type == GgmlType::kF32 || type == GgmlType::kBF16;
    EXPECT_TRUE(fits(type, std::vector{0.0f, -0.0f, -65504.0f}));
    EXPECT_EQ(fits(type, std::vector{0.0f, -65505.0f}), wide);
    for (const float value : {kInfinite, -kInfinite, kNan, -kNan}) EXPECT_FALSE(fits(type, std::vector{1.0f, value}));
  }
}

// Rounded as the format's reference does, with a division and std::round; values on the borders between two included.
TEST(Encoding, BlocksOfEightBitsAreRoundedToTheNearest) {
  std::vector<float> values(32);
  std::vector<std::byte> out(34);
  for (std::uint32_t step = 0; step < 200'000; ++step) {
    const float largest = 1.0f + static_cast<float>(step % 97);
    for (std::size_t i = 0; i < values.size(); ++i) {
      const auto level = static_cast<float>(static_cast<int>((step * 31 + i * 7) % 255) - 127);
      const float border = (level + 0.5f) * (largest / 127);
      values[i] = std::nextafter(border, i % 3 == 0 ? 1000.0f : i % 3 == 1 ? -1000.0f : border);
      values[i] = std::clamp(values[i], -largest, largest);
    }
    values[step % 32] = step % 2 == 0 ? largest : -largest;
    encode(GgmlType::kQ8_0, values, values.size(), out);
    const float inverse = 1 / (largest / 127);
    for (std::size_t i = 0; i < values.size(); ++i) {
      ASSERT_EQ(static_cast<std::int8_t>(out[2 + i]), static_cast<std::int8_t>(std::round(values[i] * inverse)))
          << values[i] << " of " << largest;
    }
  }
  std::fill(values.begin(), values.end(), 0.0f);
  encode(GgmlType::kQ8_0, values, values.size(), out);
  EXPECT_EQ(out, std::vector<std::byte>(34));
}

}  // namespace
}  // namespace rwkv::convert
