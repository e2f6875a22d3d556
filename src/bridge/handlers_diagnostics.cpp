#include "base/log.h"
#include "base/machine.h"
#include "bridge/handlers.h"
#include "engine/backend.h"

namespace rwkv::bridge {
namespace {

std::string build_description() {
#if defined(__clang__)
  std::string text = "clang " __clang_version__;
#elif defined(__GNUC__)
  std::string text = "gcc " __VERSION__;
#else
  std::string text = "unknown compiler";
#endif
#ifdef NDEBUG
  text += ", optimised";
#else
  text += ", with assertions";
#endif
  return text;
}

protocol::DeviceKind kind_of(const Device& device) {
  switch (device.kind) {
    case DeviceKind::kProcessor: return protocol::DeviceKind::kCpu;
    case DeviceKind::kGpu: return protocol::DeviceKind::kGpu;
    case DeviceKind::kNpu: return protocol::DeviceKind::kNpu;
  }
  return protocol::DeviceKind::kCpu;
}

protocol::BackendStatus status_of(const Backend& backend) {
  protocol::BackendStatus status;
  status.name = backend.name();
  status.description = backend.description();
  status.unavailable = backend.unavailable_reason();
  for (const Device& device : backend.devices()) {
    status.devices.push_back({device.id, device.name, kind_of(device), static_cast<std::int64_t>(device.total_bytes),
                              static_cast<std::int64_t>(device.free_bytes)});
  }
  for (const Setting& setting : backend.settings()) status.settings.push_back({setting.key, setting.meaning});
  return status;
}

}  // namespace

void Handlers::handle(const protocol::DumpLog&) { reply(protocol::RuntimeLog{log::dump()}); }

void Handlers::handle(const protocol::Doctor&) {
  const Machine machine = inspect_machine();
  protocol::DoctorReport report;
  report.version = RWKV_VERSION;
  report.build = build_description();
  report.system = machine.system;
  report.architecture = machine.architecture;
  report.cpu_features = machine.cpu_features;
  report.logical_processors = machine.logical_processors;
  report.page_bytes = static_cast<std::int64_t>(machine.page_bytes);
  report.memory_bytes = static_cast<std::int64_t>(machine.memory_bytes);
  report.available_bytes = static_cast<std::int64_t>(machine.available_bytes);
  for (const std::unique_ptr<Backend>& backend : backends()) report.backends.push_back(status_of(*backend));
  reply(report);
}

}  // namespace rwkv::bridge
