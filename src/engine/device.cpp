#include "engine/device.h"

#include "base/machine.h"

namespace rwkv {

std::string_view to_string(DeviceKind kind) noexcept {
  switch (kind) {
    case DeviceKind::kProcessor: return "cpu";
    case DeviceKind::kGpu: return "gpu";
    case DeviceKind::kNpu: return "npu";
  }
  return "";
}

Device processor_device() {
  const Machine machine = inspect_machine();
  return {"cpu", std::to_string(machine.logical_processors) + " processors (" + machine.architecture + ")",
          DeviceKind::kProcessor, machine.memory_bytes, machine.available_bytes};
}

}  // namespace rwkv
