// The list of backends. To link one in: its folder, its header here, a line below.
#include "backends/llama_cpp/llama_cpp_backend.h"
#include "backends/native/native_backend.h"
#include "backends/plugin/plugin_backend.h"
#include "backends/scripted/scripted_backend.h"
#include "engine/registry.h"

namespace rwkv {

std::vector<std::unique_ptr<Backend>> known_backends(const std::string& folder) {
  std::vector<std::unique_ptr<Backend>> backends;
  backends.push_back(make_llama_cpp_backend());
  backends.push_back(make_native_backend());
  backends.push_back(make_scripted_backend());
  std::vector<std::string_view> taken;
  for (const auto& backend : backends) taken.push_back(backend->name());
  for (auto& plugin : find_plugins(plugin_folders(folder), taken)) backends.push_back(std::move(plugin));
  return backends;
}

}  // namespace rwkv
