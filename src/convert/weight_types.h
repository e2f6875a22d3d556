// Which matrix of a model gets which type.
#pragma once

#include <cstdint>
#include <string_view>

#include "convert/rwkv_plan.h"
#include "formats/ggml_type.h"

namespace rwkv::convert {

/// The type of a matrix with rows of `row_length` values, as llama.cpp's converter (f32, f16, bf16) and its quantize
/// tool (from an f16 file) choose it: small matrices of the time mix stay unquantised, the output gets more bits than
/// the rest, and rows that a type cannot pack another one.
GgmlType matrix_type(std::string_view gguf_name, std::uint64_t row_length, WeightFormat format);

/// `general.file_type` of llama.cpp.
std::uint32_t file_type(WeightFormat format);

}  // namespace rwkv::convert
