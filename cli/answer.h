// Shows an answer while it is written.
#pragma once

#include <string>

#include "options.h"

namespace rwkv::cli {

/// Generates and streams the text to standard output (not with `json`), with a progress line while the prompt is read.
/// Ctrl-C stops the answer. Throws the error that ended it, if one did, and std::runtime_error when the text cannot be
/// written.
GenerationResult answer(LanguageModel& model, Prompt prompt, const GenerationOptions& options, bool json);

/// `12 tokens, 345.6 tokens/s (prompt 20 tokens, 3 cached, 2345.6 tokens/s), eos` on standard error.
void print_speeds(const GenerationResult& result);

/// Text, reason, counts and speeds.
Json to_json(const GenerationResult& result);

}  // namespace rwkv::cli
