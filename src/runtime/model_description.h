// A model and its vocabulary, without the weights.
#pragma once

#include "runtime/language_model.h"

namespace rwkv {

struct ModelDescription {
  ModelInfo info;
  Vocabulary vocabulary;
};

/// What the files say, refused as LanguageModel::load() refuses them. Memory is not looked at. A backend that cannot
/// describe files loads the model.
ModelDescription describe_model(const ModelRequest& request);
/// The same of a source that the caller goes on asking.
ModelDescription describe_model(const ModelRequest& request, const ModelSource& source);

/// The vocabulary that a request asks for: the file's own, or that of `tokenizer_path`, which must agree with it.
/// `embedded` may be null. Throws what Vocabulary::from_file throws and Error(kBadFile, kInvalidArgument).
Vocabulary choose_vocabulary(const ModelRequest& request, const ModelInfo& info, const Vocabulary* embedded);

/// The backend of the request. Throws like choose_backend().
const Backend& backend_of(const ModelRequest& request, const ModelSource& source);

}  // namespace rwkv
