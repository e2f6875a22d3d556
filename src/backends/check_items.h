// What every backend refuses of an evaluation, in the same words.
#pragma once

#include <cstddef>
#include <functional>
#include <span>

#include "engine/model.h"

namespace rwkv {

/// Tokens of an item, or rows of its embeddings.
std::size_t length_of(const EvalItem& item, int width) noexcept;

/// Values of its output.
std::size_t output_values(const EvalItem& item, const ModelInfo& info) noexcept;

/// Throws Error(kInvalidArgument) unless the items name different sequences of the model, each with tokens of its
/// vocabulary or with finite rows of its width, and Error(kUnsupported) for an input or output that it does not offer.
void check_items(std::span<const EvalItem> items, const ModelInfo& info,
                 const std::function<bool(const Sequence*)>& belongs_to_model);

}  // namespace rwkv
