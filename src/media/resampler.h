// Samples at another rate.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace rwkv {

constexpr int kMaxRate = 384'000;

/// A low-pass filter that is evaluated only where samples are wanted: a sinc, cut off at 0.92 of half the lower rate,
/// under a Kaiser window of 64 samples at that rate. What lies below 0.83 of half the lower rate stays within -90 dB,
/// what would fold back goes by as much. Sound k of the result lies at the time of sound k * from / to of the input.
class Resampler {
 public:
  /// Rates from 1 to kMaxRate.
  Resampler(int from, int to);

  /// Appends what follows from the samples so far.
  void push(std::span<const float> samples, std::vector<float>& result);
  /// Appends the rest, as if silence followed. ceil(n * to / from) samples in all.
  void finish(std::vector<float>& result);

 private:
  void run(std::vector<float>& result);
  void fill(std::uint64_t phase, float* weights) const;

  std::uint64_t from_;  // both without their common divisor
  std::uint64_t to_;
  double shrink_ = 1;          // the lower rate by that of the input
  std::size_t reach_ = 0;      // samples before and after a place that count
  std::vector<float> kernel_;  // half of the filter, many places a sample of the lower rate
  bool all_phases_ = false;
  std::vector<float> weights_;   // 2 * reach_ for each phase; of one phase where they are too many
  std::vector<float> kept_;      // samples that still count; silence before the first one
  std::uint64_t kept_from_ = 0;  // which one kept_[reach_] is
  std::uint64_t taken_ = 0;      // samples pushed
  std::uint64_t made_ = 0;
};

}  // namespace rwkv
