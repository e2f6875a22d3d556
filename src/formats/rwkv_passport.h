// Proof that a GGUF file is a complete and sane RWKV model, made before any engine opens it.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "formats/gguf.h"

namespace rwkv {

/// What a checked model file is. Views point into the file's bytes.
struct RwkvPassport {
  std::string architecture;  // "rwkv6" or "rwkv7"
  std::string name;          // may be empty
  std::string weight_type;   // the tensor type that holds most parameters
  int layers = 0;
  int width = 0;
  int heads = 0;
  int head_size = 0;
  int feed_forward = 0;
  int vocabulary = 0;  // rows of the embedding
  std::uint64_t parameters = 0;
  std::vector<std::string_view> token_texts;  // escaped, one a row of the embedding
  std::vector<std::int32_t> token_types;      // as many, or none
};

/// Checks metadata, tensors and tokens for everything that an engine would abort on or read out of bounds for. Throws
/// Error(kUnsupported) for another architecture, a split model or a special layout, and Error(kBadFile) with the list
/// of all that is wrong.
RwkvPassport check_rwkv_model(const GgufFile& file);

}  // namespace rwkv
