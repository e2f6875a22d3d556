// Whether numbers can be kept in a type.
#pragma once

#include <span>

#include "formats/ggml_type.h"

namespace rwkv::convert {

/// Whether each value is finite and its type can hold it: halves, and the scales of quantised blocks, end at 65504.
bool fits(GgmlType type, std::span<const float> values) noexcept;

}  // namespace rwkv::convert
