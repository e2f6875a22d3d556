// A vocabulary as GGUF files list it.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "text/vocabulary.h"

namespace rwkv::convert {

struct TokenList {
  std::vector<std::string> texts;   // escaped, by id
  std::vector<std::int32_t> types;  // 1 text, 3 control, 5 unused
};

/// One entry for each of `rows` ids: "<s>" for token 0, "[PADn]" for ids without bytes. Throws Error(kInvalidArgument)
/// for a vocabulary with more ids than rows.
TokenList token_list(const Vocabulary& vocabulary, std::uint64_t rows);

}  // namespace rwkv::convert
