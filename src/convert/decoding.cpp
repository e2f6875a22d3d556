#include "convert/decoding.h"

#include <algorithm>
#include <bit>
#include <cstring>

namespace rwkv::convert {
namespace {

constexpr std::uint32_t kInfinity = 0x7F800000u;
constexpr std::uint32_t kLargestHalf = 0x477FE000u;  // 65504

float half_to_float(std::uint16_t bits) noexcept {
  const std::uint32_t sign = std::uint32_t{bits & 0x8000u} << 16;
  const std::uint32_t rest = std::uint32_t{bits & 0x7FFFu} << 13;
  // Normal numbers: the exponent's bias grows by 112. Subnormal ones: a number whose last bits count 2^-24.
  const std::uint32_t normal = rest + (112u << 23);
  const float subnormal = std::bit_cast<float>((113u << 23) + rest) - std::bit_cast<float>(113u << 23);
  const bool infinite = rest >= (31u << 23);
  const std::uint32_t magnitude = infinite             ? rest | kInfinity
                                  : rest >= (1u << 23) ? normal
                                                       : std::bit_cast<std::uint32_t>(subnormal);
  return std::bit_cast<float>(sign | magnitude);
}

}  // namespace

void decode(DataType type, const std::byte* from, std::span<float> out) noexcept {
  if (type == DataType::kF32) {
    std::memcpy(out.data(), from, out.size_bytes());
    return;
  }
  for (std::size_t i = 0; i < out.size(); ++i) {
    std::uint16_t bits = 0;
    std::memcpy(&bits, from + 2 * i, sizeof bits);
    out[i] = type == DataType::kF16 ? half_to_float(bits) : std::bit_cast<float>(std::uint32_t{bits} << 16);
  }
}

bool fits(GgmlType type, std::span<const float> values) noexcept {
  std::uint32_t largest = 0;
  for (const float value : values) largest = std::max(largest, std::bit_cast<std::uint32_t>(value) & 0x7FFFFFFFu);
  return largest < kInfinity && (type == GgmlType::kF32 || type == GgmlType::kBF16 || largest <= kLargestHalf);
}

}  // namespace rwkv::convert
