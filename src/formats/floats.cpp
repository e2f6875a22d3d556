#include "formats/floats.h"

#include <algorithm>
#include <bit>
#include <cstdint>
#include <cstring>

namespace rwkv {
namespace {

constexpr std::uint32_t kInfinity = 0x7F800000u;

// Without branches, so that compilers vectorise it: both forms are computed and one is taken.
float half_to_float(std::uint16_t half) noexcept {
  const std::int32_t bits = half;
  const std::int32_t rest = (bits & 0x7FFF) << 13;
  // Normal numbers: the exponent's bias grows by 112. Subnormal ones: a number whose last bits count 2^-24.
  const std::int32_t normal = rest + (112 << 23);
  const float subnormal = std::bit_cast<float>(rest + (113 << 23)) - std::bit_cast<float>(113 << 23);
  const std::int32_t is_normal = -static_cast<std::int32_t>(rest >= (1 << 23));
  const std::int32_t is_infinite = -static_cast<std::int32_t>(rest >= (31 << 23));
  const std::int32_t magnitude = (normal & is_normal) | (std::bit_cast<std::int32_t>(subnormal) & ~is_normal) |
                                 (static_cast<std::int32_t>(kInfinity) & is_infinite);
  return std::bit_cast<float>((bits & 0x8000) << 16 | magnitude);
}

// Rounding is left to float additions, which round to nearest even: adding a number whose last bit counts as much as
// the half's last one drops the rest.
std::uint16_t float_to_half(float value) noexcept {
  const auto bits = std::bit_cast<std::uint32_t>(value);
  const std::uint32_t magnitude = bits & 0x7FFFFFFFu;
  const auto sign = static_cast<std::uint16_t>(bits >> 16 & 0x8000u);
  // Halves below 2^-14 are multiples of 2^-24; those above have 10 bits behind the leading one.
  const std::uint32_t exponent = std::max(magnitude & kInfinity, 113u << 23);
  const float magic = std::bit_cast<float>(exponent + (13u << 23));
  const std::uint32_t rounded = std::bit_cast<std::uint32_t>(std::bit_cast<float>(magnitude) + magic);
  // The last 10 bits and, where rounding carried or the number is normal, the leading one, added to the exponent.
  const std::uint32_t mantissa = rounded - std::bit_cast<std::uint32_t>(magic);
  return static_cast<std::uint16_t>(sign + ((exponent - (113u << 23)) >> 13) + mantissa);
}

}  // namespace

void decode_floats(DataType type, const std::byte* from, std::span<float> out) noexcept {
  if (type == DataType::kF32) {
    if (!out.empty()) std::memcpy(out.data(), from, out.size_bytes());  // an empty span may be at null
    return;
  }
  // Each loop has one kind of work, so that compilers vectorise it.
  if (type == DataType::kF64) {
    for (std::size_t i = 0; i < out.size(); ++i) {
      double value = 0;
      std::memcpy(&value, from + 8 * i, sizeof value);
      out[i] = static_cast<float>(value);
    }
    return;
  }
  const auto bits_at = [from](std::size_t i) {
    std::uint16_t bits = 0;
    std::memcpy(&bits, from + 2 * i, sizeof bits);
    return bits;
  };
  if (type == DataType::kF16) {
    for (std::size_t i = 0; i < out.size(); ++i) out[i] = half_to_float(bits_at(i));
  } else {
    for (std::size_t i = 0; i < out.size(); ++i) out[i] = std::bit_cast<float>(std::uint32_t{bits_at(i)} << 16);
  }
}

bool encode_halves(std::span<const float> values, std::byte* to) noexcept {
  std::uint32_t largest = 0;
  for (std::size_t i = 0; i < values.size(); ++i) {
    const std::uint16_t half = float_to_half(values[i]);
    std::memcpy(to + 2 * i, &half, sizeof half);
    largest = std::max(largest, std::bit_cast<std::uint32_t>(values[i]) & 0x7FFFFFFFu);
  }
  // 65520 and above round to infinity.
  return largest < std::bit_cast<std::uint32_t>(65520.0f);
}

}  // namespace rwkv
