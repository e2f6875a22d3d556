#include "ggml/processor.h"

#include <ggml-cpu.h>

#include <algorithm>
#include <future>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "base/error.h"
#include "base/error_of.h"

namespace rwkv::ggml {
namespace {

constexpr std::uint64_t kOneThreadIsEnough = 20'000'000;
constexpr unsigned kMostThreads = 16;

}  // namespace

std::optional<std::string> missing_instructions() {
#if (defined(__x86_64__) || defined(__i386__)) && defined(__GNUC__)
  // ggml's own answers are constants of its compilation, ours are the processor's.
  __builtin_cpu_init();
  const std::pair<const char*, bool> lacking[] = {
      {"AVX2", ggml_cpu_has_avx2() != 0 && !__builtin_cpu_supports("avx2")},
      {"FMA", ggml_cpu_has_fma() != 0 && !__builtin_cpu_supports("fma")},
      {"F16C", ggml_cpu_has_f16c() != 0 && !__builtin_cpu_supports("f16c")},
      {"BMI2", ggml_cpu_has_bmi2() != 0 && !__builtin_cpu_supports("bmi2")},
      {"AVX-512", ggml_cpu_has_avx512() != 0 && !__builtin_cpu_supports("avx512f")}};
  for (const auto& [name, is_lacking] : lacking) {
    if (is_lacking) return name;
  }
#endif
  return std::nullopt;
}

int head_size_step() {
  // 32 is the widest step of the others (AVX 32, SSE3 32, NEON 16, WASM 16, POWER 32).
  return ggml_cpu_has_avx512() != 0 ? 64 : 32;
}

int default_threads(std::uint64_t parameters) {
  if (parameters < kOneThreadIsEnough) return 1;
  return static_cast<int>(std::clamp(std::thread::hardware_concurrency(), 1u, kMostThreads));
}

int most_threads() {
  return std::min(std::max(64, static_cast<int>(std::thread::hardware_concurrency())), GGML_MAX_N_THREADS);
}

void check_thread_count(int threads) {
  if (threads >= 1 && threads <= most_threads()) return;
  throw Error(ErrorCode::kInvalidArgument,
              "the number of threads is " + std::to_string(threads) + ", not 1 to " + std::to_string(most_threads()));
}

void check_threads(int count) {
  std::promise<void> all_there;
  const std::shared_future<void> end = all_there.get_future().share();
  std::vector<std::thread> threads;
  const auto error = error_of([&] {
    threads.reserve(static_cast<std::size_t>(count));
    for (int i = 0; i < count; ++i) threads.emplace_back([end] { end.wait(); });
  });
  all_there.set_value();
  for (std::thread& thread : threads) thread.join();
  if (error) throw Error(*error);
}

int usable_threads(int wanted) {
  check_thread_count(wanted);
  return std::min(wanted, std::max(1, static_cast<int>(std::thread::hardware_concurrency())));
}

}  // namespace rwkv::ggml
