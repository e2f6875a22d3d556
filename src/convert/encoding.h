// Numbers into the types that files keep them in. The one place that uses ggml, which defines these types.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "formats/ggml_type.h"

namespace rwkv::convert {

/// Whole rows of `row_length` values, which the type can pack, to bytes of exactly their size. The same bytes as
/// llama.cpp's quantize tool writes without an importance matrix. Types: kF32, kF16, kBF16, kQ8_0, kQ4_0, kQ5_0, kQ5_1,
/// kQ4_K, kQ5_K, kQ6_K; the values must fit.
void encode(GgmlType type, std::span<const float> values, std::uint64_t row_length, std::span<std::byte> out);

}  // namespace rwkv::convert
