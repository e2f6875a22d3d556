// Weights as MLX quantises them: three tensors that stand for one.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>

#include "formats/weights.h"

namespace rwkv {

/// Whether there are any.
bool has_mlx_weights(const WeightFile& weights);

/// The same tensors, with 'X.weight' (words of 32 bits), 'X.scales' and 'X.biases' joined to one packed matrix
/// 'X.weight'. `config` is the folder's config.json, which says how large the groups are. Throws Error(kBadFile) for
/// parts that do not fit each other and Error(kUnsupported) for other ways to quantise.
WeightFile with_mlx_weights_joined(const WeightFile& weights, const nlohmann::json& config);

}  // namespace rwkv
