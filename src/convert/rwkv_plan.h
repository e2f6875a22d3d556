// What an RWKV checkpoint with its author's tensor names becomes in a GGUF file.
#pragma once

#include <optional>
#include <string_view>
#include <vector>

#include "convert/planned_tensor.h"
#include "formats/rwkv_tensors.h"

namespace rwkv::convert {

/// What the large matrices are stored as. Names: "f32", "f16", "bf16", "q8_0", "q4_0", "q4_k", "q5_k".
enum class WeightFormat { kF32, kF16, kBF16, kQ8_0, kQ4_0, kQ4_K, kQ5_K };

/// Nothing for unknown names. Upper case counts as lower case.
std::optional<WeightFormat> weight_format_named(std::string_view name);

struct RwkvPlan {
  RwkvGeometry geometry;
  std::vector<PlannedTensor> tensors;  // offsets not set
  /// RWKV-6: activations are halved after every so many layers, and the weights are scaled for it; 0: never.
  std::uint32_t rescale_every = 0;
};

/// Every size comes from the shapes. Takes the names and orders of `.pth` files of RWKV-6 and RWKV-7 as well as those
/// that convert_to_safetensors gives them. Which matrix gets which type follows llama.cpp's converter and quantize tool
/// (without an importance matrix). Throws Error(kUnsupported) for checkpoints of other models and Error(kBadFile) with
/// the list of all tensors that are missing, misshapen, of another type than F32, F16, BF16 and F64, or not part of the
/// model.
RwkvPlan plan_rwkv(const WeightFile& weights, WeightFormat format);

}  // namespace rwkv::convert
