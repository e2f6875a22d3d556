#include "engine/registry.h"

#include <utility>

#include "formats/file_kind.h"

namespace rwkv {

const std::vector<std::unique_ptr<Backend>>& backends() {
  // Never destroyed: models may outlive the statics of the host.
  static const auto* all = new std::vector<std::unique_ptr<Backend>>(builtin_backends());
  return *all;
}

const Backend& backend_by_name(std::string_view name) {
  std::string names;
  for (const auto& backend : backends()) {
    if (backend->name() == name) return *backend;
    names.append(names.empty() ? "" : ", ").append(backend->name());
  }
  throw Error(ErrorCode::kUnsupported, "this build has no backend '" + std::string(name) + "'; it has " + names);
}

const Backend& backend_for(const ModelSource& source) {
  const std::string name = "'" + source.path() + "'";
  if (!source.is_folder() && source.bytes().empty()) {
    throw Error(ErrorCode::kBadFile, name + " is empty, not a model: download it again");
  }
  const Backend* best = nullptr;
  std::pair<bool, int> best_rank;  // whether it can run here, and how well it suits
  for (const auto& backend : backends()) {
    const int match = backend->match(source);
    if (match == 0) continue;
    const std::pair<bool, int> rank{!backend->unavailable_reason(), match};
    if (best != nullptr && rank <= best_rank) continue;
    best = backend.get();
    best_rank = rank;
  }
  if (best != nullptr) return *best;
  if (source.is_folder()) {
    throw Error(ErrorCode::kIo, name +
                                    " is a folder, and no backend of this build runs what is in it; give the model "
                                    "file itself (GGUF)");
  }
  if (const std::string mistake = mistaken_file(WantedFile::kModel, source.bytes()); !mistake.empty()) {
    throw Error(ErrorCode::kBadFile, name + " " + mistake);
  }
  throw Error(ErrorCode::kBadFile,
              name + " is not a model file that this build can run; it runs RWKV models in GGUF form");
}

}  // namespace rwkv
