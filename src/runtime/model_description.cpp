#include "runtime/model_description.h"

#include <utility>

#include "engine/file_description.h"

namespace rwkv {

ModelDescription describe_model(const ModelRequest& request) {
  return describe_model(request, ModelSource(request.model_path));
}

ModelDescription describe_model(const ModelRequest& request, const ModelSource& source) {
  const auto* backend = dynamic_cast<const DescribesFiles*>(&backend_of(request, source));
  if (backend == nullptr) {
    const std::unique_ptr<LanguageModel> model = LanguageModel::load(request);
    return {model->info(), model->tokenizer().vocabulary()};
  }
  FileDescription file = backend->describe(source, request.options);
  Vocabulary vocabulary = choose_vocabulary(request, file.info, file.vocabulary ? &*file.vocabulary : nullptr);
  return {std::move(file.info), std::move(vocabulary)};
}

}  // namespace rwkv
