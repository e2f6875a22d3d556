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
  for (const std::unique_ptr<Backend>& backend : backends()) {
    report.backends.push_back({std::string(backend->name()), backend->description(), backend->unavailable_reason()});
  }
  reply(report);
}

}  // namespace rwkv::bridge
