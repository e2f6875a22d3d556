#include "host/settings.h"

#include <random>

namespace rwkv::host {
namespace {

// SplitMix64's mixing step: neighbouring inputs give unrelated outputs.
std::uint64_t mix(std::uint64_t x) {
  x += 0x9E3779B97F4A7C15u;
  x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9u;
  x = (x ^ (x >> 27)) * 0x94D049BB133111EBu;
  return x ^ (x >> 31);
}

}  // namespace

std::uint64_t seed_of_answer(std::uint64_t seed, std::size_t index) noexcept {
  return index == 0 ? seed : mix(seed + index);
}

// One that a C int can hold.
SeedSource::SeedSource() : seed_(static_cast<std::int64_t>(std::random_device{}() & 0x7FFFFFFF)) {}

std::vector<std::uint64_t> SeedSource::next_run(std::size_t slots) {
  const std::uint64_t run = mix(static_cast<std::uint64_t>(seed_) + mix(runs_++));
  std::vector<std::uint64_t> seeds(slots);
  for (std::size_t i = 0; i < slots; ++i) seeds[i] = seed_of_answer(run, i);
  return seeds;
}

ChatFormat ModelSettings::chat_format() const {
  ChatFormat used = format;
  if (audio_prompt) {
    used.prompt = kMediaMark;
    used.prompt_media = {audio_prompt};
  }
  return used;
}

}  // namespace rwkv::host
