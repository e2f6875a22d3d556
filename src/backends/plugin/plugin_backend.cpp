#include "backends/plugin/plugin_backend.h"

#include <algorithm>
#include <utility>

#include "backends/plugin/calls.h"
#include "backends/plugin/library.h"
#include "backends/plugin/plugin_model.h"
#include "base/log.h"

namespace rwkv {
namespace {

class PluginBackend final : public Backend {
 public:
  explicit PluginBackend(const rwkv_backend_api& api) : api_(api) {}

  std::string_view name() const noexcept override { return api_.name; }
  std::string description() const override {
    return std::string(api_.description) + " (plugin, version " + api_.version + ")";
  }

  std::optional<std::string> unavailable_reason() const override {
    try {
      plugin::call(api_, [&](rwkv_backend_error* error) { return api_.available(error); });
      return std::nullopt;
    } catch (const Error& error) {
      return error.what();
    }
  }

  std::vector<Device> devices() const override {
    constexpr std::size_t kMostDevices = 256;
    std::vector<Device> devices;
    if (unavailable_reason()) return devices;
    const std::size_t count = std::min(api_.device_count(), kMostDevices);
    for (std::size_t i = 0; i < count; ++i) {
      rwkv_backend_device form{};
      form.struct_size = sizeof form;
      try {
        plugin::call(api_, [&](rwkv_backend_error* error) { return api_.device(i, &form, error); });
        devices.push_back(device_of(form));
      } catch (const Error& error) {
        log::warn("a device of the backend " + std::string(api_.name) + " does not answer: " + error.what());
      }
    }
    return devices;
  }

  std::vector<Setting> settings() const override {
    std::vector<Setting> settings;
    for (std::size_t i = 0; i < api_.setting_count; ++i) {
      const rwkv_backend_setting_info& setting = api_.settings[i];
      settings.push_back(
          {setting.key == nullptr ? "" : setting.key, setting.meaning == nullptr ? "" : setting.meaning});
    }
    return settings;
  }

  int match(const ModelSource& source) const override {
    const auto bytes = bytes_of(source);
    const rwkv_backend_source form = plugin::source_of(source.path(), bytes ? &*bytes : nullptr);
    return std::clamp<int>(api_.match(&form), 0, 100);
  }

  MemoryNeed estimate(const ModelSource& source, const LoadOptions& options) const override {
    check(source, options);
    const auto bytes = bytes_of(source);
    const rwkv_backend_source form = plugin::source_of(source.path(), bytes ? &*bytes : nullptr);
    const plugin::CallOptions call_options(options);
    rwkv_backend_memory need{};
    need.struct_size = sizeof need;
    plugin::call(
        api_, [&](rwkv_backend_error* error) { return api_.estimate(&form, call_options.get(), &need, error); },
        source.path());
    // The mapping that the model keeps takes addresses for what is not used in it, too.
    const std::uint64_t size = bytes ? bytes->size() : 0;
    return {need.mapped, need.owned, need.reserved + size - std::min(size, need.mapped), need.on_device};
  }

  std::unique_ptr<Model> load(const ModelSource& source, const LoadOptions& options) const override {
    check(source, options);
    return std::make_unique<plugin::PluginModel>(api_, source, options, devices());
  }

 private:
  static std::optional<std::span<const std::byte>> bytes_of(const ModelSource& source) {
    if (source.is_folder()) return std::nullopt;
    return source.bytes();
  }

  static Device device_of(const rwkv_backend_device& form) {
    Device device{plugin::text_of(form.id), plugin::text_of(form.name), DeviceKind::kProcessor, form.total_bytes,
                  form.free_bytes};
    if (form.kind == RWKV_BACKEND_DEVICE_GPU) device.kind = DeviceKind::kGpu;
    if (form.kind == RWKV_BACKEND_DEVICE_NPU) device.kind = DeviceKind::kNpu;
    const Device processor = processor_device();
    return device.id == processor.id ? processor : device;
  }

  // Before the library sees anything. A GGUF file has passed our own reader, whatever the library looks at.
  void check(const ModelSource& source, const LoadOptions& options) const {
    if (const auto reason = unavailable_reason()) {
      throw Error(ErrorCode::kUnsupported, std::string(api_.name) + ": " + *reason);
    }
    check_options(*this, options);
    options.cancel.check();
    if (source.is_gguf()) source.passport();
  }

  const rwkv_backend_api& api_;
};

}  // namespace

std::unique_ptr<Backend> make_plugin_backend(const std::string& path) {
  return std::make_unique<PluginBackend>(plugin::open_library(path));
}

}  // namespace rwkv
