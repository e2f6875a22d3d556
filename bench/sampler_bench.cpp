// Microseconds a draw from 65,536 logits.
#include <benchmark/benchmark.h>

#include <cmath>

#include "runtime/sampler.h"

namespace {

constexpr int kVocabulary = 65536;

std::vector<float> logits() {
  std::mt19937 random(1);
  std::normal_distribution<float> normal(0.0f, 3.0f);
  std::vector<float> values(kVocabulary);
  for (float& value : values) value = normal(random);
  return values;
}

void draw(benchmark::State& state, const rwkv::SamplerParams& params, int said, bool masked) {
  const std::vector<float> values = logits();
  std::vector<std::uint8_t> banned(masked ? values.size() : 0, 0);
  for (std::size_t i = 0; i < banned.size(); ++i) banned[i] = i % 8 == 0 ? 0 : 1;
  rwkv::Penalties penalties;
  for (int i = 0; i < said; ++i) penalties.count(i * 131 % kVocabulary);
  rwkv::Sampler sampler(1);
  for (auto _ : state) benchmark::DoNotOptimize(sampler.sample(values, params, {}, penalties, banned));
}

BENCHMARK_CAPTURE(draw, defaults_k128_p05, rwkv::SamplerParams{}, 0, false)->Unit(benchmark::kMicrosecond);
BENCHMARK_CAPTURE(draw, defaults_500_said, rwkv::SamplerParams{}, 500, false)->Unit(benchmark::kMicrosecond);
BENCHMARK_CAPTURE(draw, defaults_masked, rwkv::SamplerParams{}, 500, true)->Unit(benchmark::kMicrosecond);
BENCHMARK_CAPTURE(draw, greedy, (rwkv::SamplerParams{1.0f, 1, 0.5f}), 0, false)->Unit(benchmark::kMicrosecond);
BENCHMARK_CAPTURE(draw, all_p09, (rwkv::SamplerParams{1.0f, 0, 0.9f}), 0, false)->Unit(benchmark::kMicrosecond);

}  // namespace

BENCHMARK_MAIN();
