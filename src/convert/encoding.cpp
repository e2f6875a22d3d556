#include "convert/encoding.h"

#include <ggml.h>

#include <cstring>

#include "base/error.h"

namespace rwkv::convert {

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
    default: break;
  }
  const auto length = static_cast<std::int64_t>(row_length);
  const std::size_t written =
      ggml_quantize_chunk(static_cast<ggml_type>(type), values.data(), out.data(), 0, count / length, length, nullptr);
  if (written != out.size()) throw Error(ErrorCode::kInternal, "a quantised row has another size than it should");
}

}  // namespace rwkv::convert
