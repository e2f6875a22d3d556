#include "convert/encoding.h"

#include <ggml.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>

#include "base/error.h"

namespace rwkv::convert {
namespace {

constexpr std::size_t kBlock = 32;

struct BlockQ8 {
  std::uint16_t scale;  // a half: the largest magnitude / 127
  std::int8_t values[kBlock];
};
static_assert(sizeof(BlockQ8) == 34);

// Halves away from zero, as std::round does, for magnitudes below 2^22. The constant is the largest number below 1/2,
// so that the sum of it and the number below 1/2 stays below 1.
std::int32_t rounded(float value) noexcept {
  return static_cast<std::int32_t>(value + std::copysign(0x1.fffffep-2f, value));
}

// The numbers of ggml's, in a form that compilers turn into vector instructions: ten times as fast, and what decides
// how long a conversion takes.
BlockQ8 pack_q8_0(std::span<const float, kBlock> values) noexcept {
  std::int32_t bits = 0;  // magnitudes of floats are ordered like their bits
  for (const float value : values) bits = std::max(bits, std::bit_cast<std::int32_t>(value) & 0x7FFFFFFF);
  const float scale = std::bit_cast<float>(bits) / 127;
  const float inverse = scale != 0 ? 1 / scale : 0;
  BlockQ8 block;
  block.scale = ggml_fp32_to_fp16(scale);
  for (std::size_t i = 0; i < kBlock; ++i) block.values[i] = static_cast<std::int8_t>(rounded(values[i] * inverse));
  return block;
}

}  // namespace

void encode(GgmlType type, std::span<const float> values, std::uint64_t row_length, std::span<std::byte> out) {
  const auto count = static_cast<std::int64_t>(values.size());
  switch (type) {
    case GgmlType::kF32: std::memcpy(out.data(), values.data(), values.size_bytes()); return;
    case GgmlType::kF16:
      ggml_fp32_to_fp16_row(values.data(), reinterpret_cast<ggml_fp16_t*>(out.data()), count);
      return;
    case GgmlType::kBF16:
      ggml_fp32_to_bf16_row(values.data(), reinterpret_cast<ggml_bf16_t*>(out.data()), count);
      return;
    case GgmlType::kQ8_0:
      for (std::size_t i = 0; i < values.size() / kBlock; ++i) {
        const BlockQ8 block = pack_q8_0(values.subspan(i * kBlock).first<kBlock>());
        std::memcpy(out.data() + i * sizeof block, &block, sizeof block);
      }
      return;
    default: break;
  }
  const auto length = static_cast<std::int64_t>(row_length);
  const std::size_t written =
      ggml_quantize_chunk(static_cast<ggml_type>(type), values.data(), out.data(), 0, count / length, length, nullptr);
  if (written != out.size()) throw Error(ErrorCode::kInternal, "a quantised row has another size than it should");
}

}  // namespace rwkv::convert
