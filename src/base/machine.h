// The machine this process runs on.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace rwkv {

struct Machine {
  std::string system;        // "linux", "android", "windows", "macos", "ios" or "unknown"
  std::string architecture;  // what this library was compiled for: "x86_64", "x86", "arm64", "arm" or "unknown"
  int logical_processors = 1;
  std::vector<std::string> cpu_features;  // instruction sets of the processor that matter here, for example "avx2"
  std::uint64_t page_bytes = 0;           // 0: unknown, as below
  std::uint64_t memory_bytes = 0;
  /// Memory that can be had without swapping. On Linux and Android pages of files count, also of those that are mapped
  /// and used. Bounds of containers (cgroups) count, swap does not.
  std::uint64_t available_bytes = 0;
  /// What this process may still take whatever the machine has (memory_limits.h): of addresses, and of memory that it
  /// writes to.
  std::uint64_t address_bytes = 0;
  std::uint64_t data_bytes = 0;
};

/// Lets the system have what was freed and the allocator kept. Takes milliseconds.
void give_back_freed_memory() noexcept;

/// Asks the system each time; never throws for what it will not tell.
Machine inspect_machine();

}  // namespace rwkv
