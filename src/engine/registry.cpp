#include "engine/registry.h"

#include "base/mapped_file.h"
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

const Backend& backend_for_file(const std::string& path) {
  const MappedFile file(path);
  if (file.bytes().empty()) {
    throw Error(ErrorCode::kBadFile, "'" + path + "' is empty, not a model: download it again");
  }
  const Backend* unavailable = nullptr;
  for (const auto& backend : backends()) {
    if (!backend->recognises(path)) continue;
    if (!backend->unavailable_reason()) return *backend;
    if (unavailable == nullptr) unavailable = backend.get();
  }
  if (unavailable != nullptr) return *unavailable;
  if (const std::string mistake = mistaken_file(WantedFile::kModel, file.bytes()); !mistake.empty()) {
    throw Error(ErrorCode::kBadFile, "'" + path + "' " + mistake);
  }
  throw Error(ErrorCode::kBadFile, "'" + path +
                                       "' is not a model file that this build can run; it runs RWKV models in "
                                       "GGUF form");
}

}  // namespace rwkv
