// rwkv_mobile.h: runtimes.
#include <algorithm>
#include <array>
#include <cstring>
#include <string>

#include "capi/callbacks.h"
#include "capi/guard.h"
#include "engine/backend.h"

using namespace rwkv::capi;

namespace {

// The names that clients know, in the order in which they expect them. Others they cannot name, and a test double is
// nothing to offer.
constexpr std::array<std::string_view, 9> kKnownBackends{"web-rwkv", "ncnn",   "llama.cpp", "qnn", "mtk_np7",
                                                         "mtk_np9",  "coreml", "mlx",       "palm"};

std::string available_backends() {
  std::string names;
  for (const std::string_view name : kKnownBackends) {
    const auto& all = rwkv::backends();
    const auto usable = [&](const auto& backend) { return backend->name() == name && !backend->unavailable_reason(); };
    if (std::any_of(all.begin(), all.end(), usable)) names.append(name).append(",");
  }
  return names;
}

}  // namespace

int rwkvmobile_runtime_get_available_backend_names(char* backend_names_buffer, int buffer_size) {
  if (backend_names_buffer == nullptr || buffer_size <= 0) return kBadArgument;
  return guarded(nullptr, [&]() -> int {
    const std::string names = available_backends();
    if (names.size() >= static_cast<std::size_t>(buffer_size)) return RWKV_ERROR_ALLOC;
    std::memcpy(backend_names_buffer, names.c_str(), names.size() + 1);
    return RWKV_SUCCESS;
  });
}

rwkvmobile_runtime_t rwkvmobile_runtime_init(void) {
  return guarded_or(nullptr, rwkvmobile_runtime_t{},
                    [] { return registry<AbiHost>().add(std::make_shared<AbiHost>()); });
}

int rwkvmobile_runtime_release(rwkvmobile_runtime_t runtime) {
  return guarded(nullptr, [&]() -> int {
    const auto found = registry<AbiHost>().find(runtime);
    if (!found) return kBadArgument;
    refuse_inside_callback();
    if (!registry<AbiHost>().take(runtime)) return kBadArgument;  // another thread was faster
    found->close();
    return RWKV_SUCCESS;
  });
}
