#include "runtime/model_description.h"

#include <utility>

#include "engine/file_description.h"

namespace rwkv {

ModelDescription describe_model(const ModelRequest& request) {
  const auto* backend = dynamic_cast<const DescribesFiles*>(&backend_of(request));
  if (backend == nullptr) {
    const std::unique_ptr<LanguageModel> model = LanguageModel::load(request);
    return {model->info(), model->tokenizer().vocabulary()};
  }
  FileDescription file = backend->describe(request.model_path, request.options);
  Vocabulary vocabulary = choose_vocabulary(request, file.info, file.vocabulary ? &*file.vocabulary : nullptr);
  return {std::move(file.info), std::move(vocabulary)};
}

}  // namespace rwkv
