// The entries of a state cache in words.
#pragma once

#include <string>

#include "runtime/language_model.h"

namespace rwkv {

/// A line an entry, the last used first: `text = "...", remaining lifespan = N`, with control characters escaped. N
/// newer entries have to come before that one goes.
std::string describe_cache(LanguageModel& model);

}  // namespace rwkv
