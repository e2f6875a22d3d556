#include "engine/choice.h"

#include <algorithm>
#include <tuple>
#include <vector>

#include "base/error_of.h"

namespace rwkv {
namespace {

bool has_gpu(const Backend& backend) {
  const std::vector<Device> devices = backend.devices();
  return std::any_of(devices.begin(), devices.end(), [](const Device& d) { return d.kind == DeviceKind::kGpu; });
}

// Devices are looked for only where something is asked for: that may start a driver.
bool has_what_is_asked_for(const Backend& backend, const LoadOptions& options) {
  if (!options.device.empty() || !options.settings.empty()) {
    if (error_of([&] { check_options(backend, options); })) return false;
  }
  return options.gpu_layers <= 0 || has_gpu(backend);
}

}  // namespace

const Backend* best_backend(std::span<const std::unique_ptr<Backend>> backends, const ModelSource& source,
                            const LoadOptions& options) {
  const Backend* best = nullptr;
  std::tuple<bool, bool, int> best_rank;  // whether it can run here, has what is asked for, and how well it suits
  for (const auto& backend : backends) {
    const int match = backend->match(source);
    if (match == 0) continue;
    const bool is_available = !backend->unavailable_reason();
    const std::tuple rank{is_available, is_available && has_what_is_asked_for(*backend, options), match};
    if (best != nullptr && rank <= best_rank) continue;
    best = backend.get();
    best_rank = rank;
  }
  return best;
}

bool may_be_replaced(const Backend& named, const ModelSource& source, const LoadOptions& options) {
  if (named.match(source) == 0) return false;
  if (options.gpu_layers == 0) return true;
  for (const Device& device : named.devices()) {
    if (options.device.empty() || device.id == options.device) return device.kind == DeviceKind::kProcessor;
  }
  return named.unavailable_reason().has_value();
}

}  // namespace rwkv
