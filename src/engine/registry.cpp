#include "engine/registry.h"

#include <filesystem>
#include <mutex>
#include <system_error>

#include "base/utf8_path.h"
#include "engine/choice.h"
#include "formats/file_kind.h"

namespace rwkv {
namespace {

struct BackendFolder {
  std::mutex mutex;
  std::string path;
  bool is_used = false;
};

BackendFolder& backend_folder() {
  static auto* const one = new BackendFolder;
  return *one;
}

std::string use_backend_folder() {
  BackendFolder& folder = backend_folder();
  const std::lock_guard lock(folder.mutex);
  folder.is_used = true;
  return folder.path;
}

}  // namespace

void set_backend_folder(const std::string& path) {
  std::error_code ignored;
  if (!std::filesystem::is_directory(path_from_utf8(path), ignored)) {
    throw Error(ErrorCode::kNotFound, "there is no folder '" + path + "' with backends; check the path", path);
  }
  BackendFolder& folder = backend_folder();
  const std::lock_guard lock(folder.mutex);
  if (folder.is_used) {
    throw Error(ErrorCode::kBusy, "backends have been looked for already; name their folder before anything else");
  }
  folder.path = path;
}

const std::vector<std::unique_ptr<Backend>>& backends() {
  // Never destroyed: models may outlive the statics of the host.
  static const auto* all = new std::vector<std::unique_ptr<Backend>>(known_backends(use_backend_folder()));
  return *all;
}

const Backend& backend_by_name(std::string_view name) {
  std::string names;
  for (const auto& backend : backends()) {
    if (backend->name() == name) return *backend;
    names.append(names.empty() ? "" : ", ").append(backend->name());
  }
  throw Error(ErrorCode::kUnsupported, "this build has no backend '" + std::string(name) + "'; it has " + names +
                                           ". Others are libraries in the folder that RWKV_BACKEND_DIR names or in "
                                           "rwkv/ beside this one (docs/PLUGINS.md)");
}

bool names_backend(std::string_view name) noexcept { return !name.empty() && name != "auto"; }

const Backend& choose_backend(std::string_view name, bool allows_stand_in, const ModelSource& source,
                              const LoadOptions& options) {
  if (!names_backend(name)) return backend_for(source, options);
  const Backend& named = backend_by_name(name);
  return allows_stand_in && may_be_replaced(named, source, options) ? backend_for(source, options) : named;
}

const Backend& backend_for(const ModelSource& source, const LoadOptions& options) {
  const std::string name = "'" + source.path() + "'";
  if (!source.is_folder() && source.bytes().empty()) {
    throw Error(ErrorCode::kBadFile, name + " is empty, not a model: download it again", source.path());
  }
  if (const Backend* best = best_backend(backends(), source, options)) return *best;
  if (source.is_folder()) {
    throw Error(ErrorCode::kIo,
                name +
                    " is a folder, and no backend of this build runs what is in it; give the model "
                    "file itself (GGUF)",
                source.path());
  }
  if (const std::string mistake = mistaken_file(WantedFile::kModel, source.bytes()); !mistake.empty()) {
    throw Error(ErrorCode::kBadFile, name + " " + mistake, source.path());
  }
  throw Error(ErrorCode::kBadFile,
              name + " is not a model file that this build can run; it runs RWKV models in GGUF form", source.path());
}

}  // namespace rwkv
