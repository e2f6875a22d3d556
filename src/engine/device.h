// A device computes models and has memory: the machine's processors, a GPU, an NPU.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace rwkv {

enum class DeviceKind { kProcessor, kGpu, kNpu };

/// "cpu", "gpu" or "npu"
std::string_view to_string(DeviceKind kind) noexcept;

struct Device {
  std::string id;    // what LoadOptions::device names; lower case, unique within its backend, the same in every run
  std::string name;  // for people
  DeviceKind kind = DeviceKind::kProcessor;
  /// Its memory, and how much of it is free at the moment. For processors: the machine's memory. 0: unknown.
  std::uint64_t total_bytes = 0;
  std::uint64_t free_bytes = 0;
};

/// The processors of this machine; their id is "cpu" in every backend.
Device processor_device();

}  // namespace rwkv
