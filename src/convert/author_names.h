// The names that trainers and libraries put around or in place of those of the models' author.
#pragma once

#include <string>

#include "formats/weights.h"

namespace rwkv::convert {

/// The same tensors by the author's names ('blocks.0.att.key.weight') and in their shapes. Takes off what wrappers put
/// before and into names ('module.', '_orig_mod.', 'model.' and whatever else stands before 'blocks.0.'), and
/// understands RWKV-7 of flash-linear-attention ('model.layers.0.attn.k_proj.weight') and RWKV-6 of transformers
/// ('rwkv.blocks.0.attention.key.weight'). Names that it does not know stay as they are. Throws Error(kUnsupported) for
/// several models in one file and Error(kBadFile) where two tensors come to have one name.
WeightFile with_author_names(const WeightFile& weights);

/// What a checkpoint is that holds neither RWKV-6 nor RWKV-7, with what to do: "is a tuned state, ...". By its names.
std::string other_checkpoint(const WeightFile& weights);

}  // namespace rwkv::convert
