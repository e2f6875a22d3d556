// J. F. Kaiser's window and rules for its shape: Oppenheim and Schafer, Discrete-Time Signal Processing, 7.6.
#include "media/resampler.h"

#include <algorithm>
#include <cmath>
#include <numbers>
#include <numeric>

namespace rwkv {
namespace {

constexpr double kCutOff = 0.92;
constexpr double kHalfWidth = 32;               // in samples of the lower rate
constexpr double kShape = 0.1102 * (94 - 8.7);  // of the window, for 94 dB
constexpr std::size_t kPlaces = 4096;  // of the kernel, for a sample of the lower rate; in between lie straight lines
constexpr std::size_t kMaxWeights = std::size_t{1} << 20;

/// The modified Bessel function of the first kind and order 0.
double bessel(double x) {
  double sum = 1;
  double term = 1;
  for (int k = 1; term > sum * 1e-17; ++k) {
    term *= x / (2 * k) * (x / (2 * k));
    sum += term;
  }
  return sum;
}

double windowed_sinc(double x) {
  const double inside = x / kHalfWidth;
  if (inside >= 1) return 0;
  const double angle = std::numbers::pi * kCutOff * x;
  const double sinc = x == 0 ? 1 : std::sin(angle) / angle;
  return kCutOff * sinc * bessel(kShape * std::sqrt(1 - inside * inside)) / bessel(kShape);
}

}  // namespace

Resampler::Resampler(int from, int to)
    : from_(static_cast<std::uint64_t>(from / std::gcd(from, to))),
      to_(static_cast<std::uint64_t>(to / std::gcd(from, to))) {
  if (from_ == to_) return;
  shrink_ = std::min(1.0, static_cast<double>(to) / from);
  reach_ = static_cast<std::size_t>(std::ceil(kHalfWidth / shrink_));
  kept_.assign(reach_, 0.0f);
  kernel_.resize(static_cast<std::size_t>(kHalfWidth) * kPlaces + 2);
  for (std::size_t i = 0; i < kernel_.size(); ++i) {
    kernel_[i] = static_cast<float>(windowed_sinc(static_cast<double>(i) / kPlaces));
  }
  const std::size_t row = 2 * reach_;
  all_phases_ = to_ * row <= kMaxWeights;
  weights_.resize(all_phases_ ? static_cast<std::size_t>(to_) * row : row);
  for (std::uint64_t phase = 0; all_phases_ && phase < to_; ++phase)
    fill(phase, &weights_[static_cast<std::size_t>(phase) * row]);
}

/// The weights of the samples from reach_ - 1 before the one at a place to reach_ after it, for `phase` / to_ behind
/// it.
void Resampler::fill(std::uint64_t phase, float* weights) const {
  const double behind = static_cast<double>(phase) / static_cast<double>(to_);
  for (std::size_t i = 0; i < 2 * reach_; ++i) {
    const double distance = std::fabs(behind + static_cast<double>(reach_) - 1 - static_cast<double>(i)) * shrink_;
    const double place = std::min(distance, kHalfWidth) * kPlaces;
    const auto left = static_cast<std::size_t>(place);
    const double part = place - static_cast<double>(left);
    weights[i] = static_cast<float>(shrink_ * (kernel_[left] * (1 - part) + kernel_[left + 1] * part));
  }
}

void Resampler::run(std::vector<float>& result) {
  const std::size_t row = 2 * reach_;
  while (true) {
    const std::uint64_t place = made_ * from_ / to_;
    const auto first = static_cast<std::size_t>(place + 1 - kept_from_);
    if (first + row > kept_.size()) break;
    const std::uint64_t phase = made_ * from_ % to_;
    if (!all_phases_) fill(phase, weights_.data());
    const float* weights = &weights_[all_phases_ ? static_cast<std::size_t>(phase) * row : 0];
    const float* samples = &kept_[first];
    float sums[4] = {};  // so that the compiler need not keep one order of additions
    for (std::size_t i = 0; i < row; ++i) sums[i % 4] += weights[i] * samples[i];
    result.push_back(sums[0] + sums[1] + (sums[2] + sums[3]));
    ++made_;
  }
  const std::uint64_t wanted = made_ * from_ / to_ + 1;
  const auto done = std::min(static_cast<std::size_t>(wanted - kept_from_), kept_.size());
  kept_.erase(kept_.begin(), kept_.begin() + static_cast<std::ptrdiff_t>(done));
  kept_from_ += done;
}

void Resampler::push(std::span<const float> samples, std::vector<float>& result) {
  taken_ += samples.size();
  if (from_ == to_) {
    result.insert(result.end(), samples.begin(), samples.end());
    return;
  }
  kept_.insert(kept_.end(), samples.begin(), samples.end());
  run(result);
}

void Resampler::finish(std::vector<float>& result) {
  if (from_ == to_) return;
  const std::uint64_t all = (taken_ * to_ + from_ - 1) / from_;
  const std::size_t before = result.size();
  const std::uint64_t left = all - made_;
  kept_.insert(kept_.end(), reach_ + 1, 0.0f);
  run(result);
  result.resize(before + static_cast<std::size_t>(left));
}

}  // namespace rwkv
