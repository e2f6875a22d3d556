#include "backends/llama_cpp/processor.h"

#include <ggml-cpu.h>

#include <algorithm>
#include <thread>

namespace rwkv::llama_cpp {
namespace {

constexpr std::uint64_t kOneThreadIsEnough = 20'000'000;
constexpr unsigned kMostThreads = 16;

}  // namespace

std::optional<std::string> missing_instructions() {
#if (defined(__x86_64__) || defined(__i386__)) && defined(__GNUC__)
  // Asked of the processor itself, since ggml's own questions are answered by code that may use these instructions.
  __builtin_cpu_init();
  if (!__builtin_cpu_supports("avx2")) return "AVX2";
  if (!__builtin_cpu_supports("fma")) return "FMA";
  if (!__builtin_cpu_supports("f16c")) return "F16C";
#if defined(__x86_64__)
  if (!__builtin_cpu_supports("bmi2")) return "BMI2";
#endif
#endif
  return std::nullopt;
}

int head_size_step() {
  if (ggml_cpu_has_avx512() != 0) return 64;
  if (ggml_cpu_has_avx() != 0 || ggml_cpu_has_sse3() != 0) return 32;
  return 32;  // the widest step of the others (NEON 16, WASM 16, POWER 32)
}

int default_threads(std::uint64_t parameters) {
  if (parameters < kOneThreadIsEnough) return 1;
  return static_cast<int>(std::clamp(std::thread::hardware_concurrency(), 1u, kMostThreads));
}

}  // namespace rwkv::llama_cpp
