// .prefab of web-rwkv: a model of RWKV-7 as that library keeps it in memory, in CBOR.
#pragma once

#include <cstddef>
#include <span>
#include <string>

#include "formats/weights.h"

namespace rwkv {

/// The tensors by the names of the models' author and in their shapes; matrices may be packed (Int8, NF4, SF4). Views
/// point into `bytes`, which must outlive them. Throws Error(kBadFile) with file, offset and reason,
/// Error(kUnsupported) for other versions of RWKV and for rescaled layers.
WeightFile parse_prefab(std::span<const std::byte> bytes, const std::string& name);

}  // namespace rwkv
