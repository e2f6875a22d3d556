#include "formats/packed_floats.h"

#include <algorithm>

#include "formats/floats.h"

namespace rwkv {
namespace {

float value_at(DataType type, std::span<const std::byte> values, std::uint64_t index) noexcept {
  float value = 0;
  decode_floats(type, values.data() + static_cast<std::size_t>(index) * data_type_bytes(type), std::span(&value, 1));
  return value;
}

// A number has at most 8 bits, so it lies in one byte or two.
unsigned number_at(std::span<const std::byte> numbers, std::uint64_t index, unsigned bits) noexcept {
  const std::uint64_t bit = index * bits;
  const auto byte = static_cast<std::size_t>(bit / 8);
  const auto shift = static_cast<unsigned>(bit % 8);
  unsigned both = std::to_integer<unsigned>(numbers[byte]);
  if (shift + bits > 8) both |= std::to_integer<unsigned>(numbers[byte + 1]) << 8;
  return both >> shift & ((1u << bits) - 1);
}

}  // namespace

void decode_packed(const Packing& packing, std::span<const std::byte> numbers, std::uint64_t first,
                   std::span<float> out) noexcept {
  while (!out.empty()) {
    const std::uint64_t group = first / packing.group;
    const auto count =
        static_cast<std::size_t>(std::min<std::uint64_t>(out.size(), (group + 1) * packing.group - first));
    // A value is a number (or what the book has for it) times a factor, plus an offset.
    float factor = 0;
    float offset = 0;
    if (packing.kind == Packing::Kind::kMinMax) {
      offset = value_at(packing.type, packing.scales, 2 * group);
      factor = (value_at(packing.type, packing.scales, 2 * group + 1) - offset) / 255.0f;
    } else {
      factor = value_at(packing.type, packing.scales, group);
      if (packing.kind == Packing::Kind::kAffine) offset = value_at(packing.type, packing.offsets, group);
    }
    for (std::size_t i = 0; i < count; ++i) {
      const unsigned number = number_at(numbers, first + i, packing.bits);
      const float base = packing.kind == Packing::Kind::kCodeBook ? packing.book[number] : static_cast<float>(number);
      out[i] = base * factor + offset;
    }
    first += count;
    out = out.subspan(count);
  }
}

}  // namespace rwkv
