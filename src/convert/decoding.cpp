#include "convert/decoding.h"

#include <algorithm>
#include <bit>

namespace rwkv::convert {
namespace {

constexpr std::uint32_t kInfinity = 0x7F800000u;
constexpr std::uint32_t kLargestHalf = 0x477FE000u;  // 65504

}  // namespace

bool fits(GgmlType type, std::span<const float> values) noexcept {
  std::uint32_t largest = 0;
  for (const float value : values) largest = std::max(largest, std::bit_cast<std::uint32_t>(value) & 0x7FFFFFFFu);
  return largest < kInfinity && (type == GgmlType::kF32 || type == GgmlType::kBF16 || largest <= kLargestHalf);
}

}  // namespace rwkv::convert
