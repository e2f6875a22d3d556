#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <set>
#include <system_error>
#include <utility>

#include "backends/plugin/library.h"
#include "backends/plugin/plugin_backend.h"
#include "base/dynamic_library.h"
#include "base/list_folder.h"
#include "base/log.h"
#include "base/utf8_path.h"

namespace rwkv {
namespace {

namespace fs = std::filesystem;

// A library that cannot be used, for those who look why.
class BrokenPlugin final : public Backend {
 public:
  BrokenPlugin(std::string name, Error error) : name_(std::move(name)), error_(std::move(error)) {}

  std::string_view name() const noexcept override { return name_; }
  std::string description() const override { return "a plugin"; }
  std::optional<std::string> unavailable_reason() const override { return error_.what(); }
  std::vector<Device> devices() const override { return {}; }
  std::vector<Setting> settings() const override { return {}; }
  int match(const ModelSource&) const override { return 0; }
  MemoryNeed estimate(const ModelSource&, const LoadOptions&) const override { throw error_; }
  std::unique_ptr<Model> load(const ModelSource&, const LoadOptions&) const override { throw error_; }

 private:
  const std::string name_;
  const Error error_;
};

std::unique_ptr<Backend> broken(const std::string& name, const Error& error) {
  log::warn(error.what());
  return std::make_unique<BrokenPlugin>(name, error);
}

std::string environment_folder() {
  const char* folder = std::getenv("RWKV_BACKEND_DIR");
  return folder == nullptr ? "" : folder;
}

}  // namespace

std::vector<std::string> plugin_folders(const std::string& chosen) {
  std::vector<std::string> folders;
  const std::string first = chosen.empty() ? environment_folder() : chosen;
  std::error_code ignored;
  if (!first.empty()) {
    folders.push_back(first);
    if (!fs::is_directory(path_from_utf8(first), ignored)) {
      log::warn("no backends are found in '" + first + "', which is not a folder; check RWKV_BACKEND_DIR");
    }
  }
  const std::string own = own_folder();
  if (own.empty()) return folders;
  const fs::path here = path_from_utf8(own);
  folders.push_back(utf8_from_path(here / "rwkv"));
  if (here.filename() == "bin") folders.push_back(utf8_from_path(here.parent_path() / "lib" / "rwkv"));
  folders.push_back(own);
  return folders;
}

std::vector<std::unique_ptr<Backend>> find_plugins(const std::vector<std::string>& folders,
                                                   const std::vector<std::string_view>& taken) {
  std::vector<std::unique_ptr<Backend>> found;
  std::set<std::string> names;
  for (const std::string& folder : folders) {
    std::error_code ignored;
    const fs::path where = path_from_utf8(folder);
    for (const std::string& file : names_in(where, ignored)) {
      const std::string path = utf8_from_path(where / path_from_utf8(file));
      const std::string name = plugin::name_in(file);
      if (name.empty() || !names.insert(name).second) continue;
      try {
        if (std::find(taken.begin(), taken.end(), name) != taken.end()) {
          throw Error(ErrorCode::kUnsupported,
                      "the backend '" + path + "' has the name of one that this library has itself; remove the file");
        }
        found.push_back(make_plugin_backend(path));
      } catch (const Error& error) {
        found.push_back(broken(name, error));
      }
    }
  }
  return found;
}

}  // namespace rwkv
