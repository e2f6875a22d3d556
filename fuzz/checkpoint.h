// What is done with a checkpoint that was read.
#pragma once

#include <algorithm>
#include <cmath>
#include <vector>

#include "convert/rwkv_plan.h"
#include "target.h"

namespace rwkv::fuzz {

/// Touches all tensors, decodes the packed ones and plans their conversion; where that works, reads the beginning and
/// the end of each.
inline void use(const WeightFile& weights) {
  for (const auto& [name, tensor] : weights.tensors()) {
    touch(tensor.data);
    tensor.describe();
    if (!tensor.packing || tensor.elements == 0) continue;
    for (const std::uint64_t index : {std::uint64_t{0}, tensor.elements - 1}) {
      float value = 0;
      decode_packed(*tensor.packing, tensor.data, index, std::span(&value, 1));
    }
  }
  const convert::RwkvPlan plan = convert::plan_rwkv(weights, convert::WeightFormat::kQ4_K);
  for (const convert::PlannedTensor& tensor : plan.tensors) {
    std::vector<float> row(static_cast<std::size_t>(tensor.row_length()));
    for (const std::uint64_t index : {std::uint64_t{0}, tensor.rows() - 1}) {
      tensor.read_rows(index, row);
      for (const auto& span : tensor.source_bytes(index, 1)) touch(span);
    }
  }
}

}  // namespace rwkv::fuzz
