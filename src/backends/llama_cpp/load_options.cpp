#include "backends/llama_cpp/load_options.h"

#include <ggml-backend.h>

#include <algorithm>
#include <cctype>
#include <string>
#include <utility>

#include "backends/llama_cpp/library.h"
#include "base/error.h"

namespace rwkv::llama_cpp {
namespace {

constexpr const char* kWeights = "weights";

std::string id_of(ggml_backend_dev_t device) {
  std::string id = ggml_backend_dev_name(device);
  std::transform(id.begin(), id.end(), id.begin(),
                 [](char c) { return static_cast<char>(std::tolower(static_cast<unsigned char>(c))); });
  return id;
}

bool is_offloaded_to(ggml_backend_dev_t device) {
  const auto type = ggml_backend_dev_type(device);
  return type == GGML_BACKEND_DEVICE_TYPE_GPU || type == GGML_BACKEND_DEVICE_TYPE_IGPU;
}

}  // namespace

std::vector<Device> devices() {
  ensure_library();
  std::vector<Device> all;
  for (std::size_t i = 0; i < ggml_backend_dev_count(); ++i) {
    ggml_backend_dev_t device = ggml_backend_dev_get(i);
    if (!is_offloaded_to(device)) continue;
    std::size_t free_bytes = 0;
    std::size_t total_bytes = 0;
    ggml_backend_dev_memory(device, &free_bytes, &total_bytes);
    all.push_back({id_of(device), ggml_backend_dev_description(device), DeviceKind::kGpu, total_bytes, free_bytes});
  }
  all.push_back(processor_device());
  return all;
}

Device device_for(const LoadOptions& options) {
  std::vector<Device> all = devices();
  if (options.device.empty()) return options.gpu_layers == 0 ? all.back() : all.front();
  const auto found = std::find_if(all.begin(), all.end(), [&](const Device& d) { return d.id == options.device; });
  return found == all.end() ? all.front() : *found;
}

std::vector<ggml_backend_dev_t> offload_devices(const Device& device) {
  std::vector<ggml_backend_dev_t> list;
  for (std::size_t i = 0; i < ggml_backend_dev_count(); ++i) {
    ggml_backend_dev_t candidate = ggml_backend_dev_get(i);
    if (is_offloaded_to(candidate) && id_of(candidate) == device.id) list.push_back(candidate);
  }
  list.push_back(nullptr);
  return list;
}

Setting weights_setting() {
  return {kWeights, "mapped (default): used where they lie in the file; copied: read into memory at the load"};
}

bool weights_are_copied(const LoadOptions& options) {
  const auto setting = options.settings.find(kWeights);
  if (setting == options.settings.end() || setting->second == "mapped") return false;
  if (setting->second == "copied") return true;
  throw Error(ErrorCode::kInvalidArgument, std::string("the setting '") + kWeights + "' of llama.cpp is '" +
                                               setting->second + "', not mapped or copied");
}

}  // namespace rwkv::llama_cpp
