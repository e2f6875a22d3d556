// Models with their tokenizers, on one thread.
#pragma once

#include <memory>
#include <string>

#include "runtime/language_model.h"
#include "support/scratch.h"

namespace rwkv::test {

inline std::unique_ptr<LanguageModel> load_language_model(const std::string& path = kModel, int max_sequences = 2) {
  ModelRequest request;
  request.model_path = path;
  request.options.threads = 1;
  request.options.max_sequences = max_sequences;
  return LanguageModel::load(request);
}

}  // namespace rwkv::test
