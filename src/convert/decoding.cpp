#include "convert/decoding.h"

#include <algorithm>
#include <bit>
#include <cstring>

namespace rwkv::convert {
namespace {

constexpr std::uint32_t kInfinity = 0x7F800000u;
constexpr std::uint32_t kLargestHalf = 0x477FE000u;  // 65504

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

}  // namespace

void decode(DataType type, const std::byte* from, std::span<float> out) noexcept {
  if (type == DataType::kF32) {
    std::memcpy(out.data(), from, out.size_bytes());
    return;
  }
  // Each loop has one kind of work, so that compilers vectorise it.
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

bool fits(GgmlType type, std::span<const float> values) noexcept {
  std::uint32_t largest = 0;
  for (const float value : values) largest = std::max(largest, std::bit_cast<std::uint32_t>(value) & 0x7FFFFFFFu);
  return largest < kInfinity && (type == GgmlType::kF32 || type == GgmlType::kBF16 || largest <= kLargestHalf);
}

}  // namespace rwkv::convert
