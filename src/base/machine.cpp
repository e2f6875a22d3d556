#include "base/machine.h"

#include <algorithm>
#include <fstream>
#include <thread>

#include "base/memory_limits.h"
#if (defined(__x86_64__) || defined(__i386__)) && defined(__GNUC__)
#include <cpuid.h>
#endif
#ifdef __APPLE__
#include <TargetConditionals.h>
#endif
#if defined(__GLIBC__) || defined(__ANDROID__)
#include <malloc.h>
#endif
#ifdef _WIN32
#include <windows.h>
#else
#include <unistd.h>
#endif

namespace rwkv {
namespace {

std::string system_name() {
#if defined(__ANDROID__)
  return "android";
#elif defined(__linux__)
  return "linux";
#elif defined(_WIN32)
  return "windows";
#elif defined(__APPLE__) && defined(TARGET_OS_IPHONE) && TARGET_OS_IPHONE
  return "ios";
#elif defined(__APPLE__)
  return "macos";
#else
  return "unknown";
#endif
}

std::string architecture_name() {
#if defined(__x86_64__) || defined(_M_X64)
  return "x86_64";
#elif defined(__i386__) || defined(_M_IX86)
  return "x86";
#elif defined(__aarch64__) || defined(_M_ARM64)
  return "arm64";
#elif defined(__arm__)
  return "arm";
#else
  return "unknown";
#endif
}

#if (defined(__x86_64__) || defined(__i386__)) && defined(__GNUC__)
// Not all compilers' builtin knows the name. Where there is AVX, the system keeps the registers.
bool has_f16c() {
  unsigned eax = 0, ebx = 0, ecx = 0, edx = 0;
  return __builtin_cpu_supports("avx") && __get_cpuid(1, &eax, &ebx, &ecx, &edx) != 0 && (ecx & bit_F16C) != 0;
}
#endif

std::vector<std::string> features() {
  std::vector<std::string> names;
#if (defined(__x86_64__) || defined(__i386__)) && defined(__GNUC__)
  __builtin_cpu_init();
  // The builtin takes a literal only.
  if (__builtin_cpu_supports("sse4.2")) names.emplace_back("sse4.2");
  if (__builtin_cpu_supports("avx")) names.emplace_back("avx");
  if (__builtin_cpu_supports("avx2")) names.emplace_back("avx2");
  if (__builtin_cpu_supports("fma")) names.emplace_back("fma");
  if (has_f16c()) names.emplace_back("f16c");
  if (__builtin_cpu_supports("bmi2")) names.emplace_back("bmi2");
  if (__builtin_cpu_supports("avx512f")) names.emplace_back("avx512f");
  if (__builtin_cpu_supports("avx512vnni")) names.emplace_back("avx512vnni");
#elif defined(__aarch64__)
  names.emplace_back("neon");  // part of every 64-bit ARM
#endif
  return names;
}

#ifdef _WIN32
void read_memory(Machine& machine) {
  SYSTEM_INFO info;
  GetSystemInfo(&info);
  machine.page_bytes = info.dwPageSize;
  MEMORYSTATUSEX status{};
  status.dwLength = sizeof status;
  if (!GlobalMemoryStatusEx(&status)) return;
  machine.memory_bytes = status.ullTotalPhys;
  machine.available_bytes = status.ullAvailPhys;
}
#else
void read_memory(Machine& machine) {
  const auto ask = [](int what) {
    const long value = sysconf(what);
    return value > 0 ? static_cast<std::uint64_t>(value) : std::uint64_t{0};
  };
  machine.page_bytes = ask(_SC_PAGESIZE);
  machine.memory_bytes = ask(_SC_PHYS_PAGES) * machine.page_bytes;
  // "MemAvailable:   12345 kB"
  std::ifstream info("/proc/meminfo");
  std::string word;
  while (info >> word) {
    std::uint64_t kilobytes = 0;
    if (word == "MemAvailable:" && info >> kilobytes) machine.available_bytes = kilobytes * 1024;
  }
  if (const auto room = room_in_groups()) {
    machine.available_bytes = machine.available_bytes == 0 ? *room : std::min(machine.available_bytes, *room);
  }
  machine.address_bytes = free_addresses().value_or(0);
  machine.data_bytes = free_data().value_or(0);
}
#endif

}  // namespace

void give_back_freed_memory() noexcept {
#if defined(__GLIBC__)
  malloc_trim(0);
#elif defined(__ANDROID__) && __ANDROID_API__ >= 26 && defined(M_PURGE)  // malloc.h declares mallopt from there on
  mallopt(M_PURGE, 0);
#endif
}

Machine inspect_machine() {
  Machine machine;
  machine.system = system_name();
  machine.architecture = architecture_name();
  machine.logical_processors = static_cast<int>(std::max(1u, std::thread::hardware_concurrency()));
  machine.cpu_features = features();
  read_memory(machine);
  return machine;
}

}  // namespace rwkv
