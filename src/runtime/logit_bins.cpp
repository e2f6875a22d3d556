#include "runtime/logit_bins.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <limits>

#include "runtime/wide_loops.h"

namespace rwkv {
namespace {

constexpr int kBinsPerUnit = 64;  // of the logit over the temperature
constexpr std::size_t kBins = 48 * kBinsPerUnit;
constexpr std::size_t kBlock = 64;

// exp(-bin / kBinsPerUnit)
const std::array<double, kBins + 1>& bin_weights() {
  static const std::array<double, kBins + 1> weights = [] {
    std::array<double, kBins + 1> all{};  // what is less likely than all bins weighs nothing
    for (std::size_t bin = 0; bin < kBins; ++bin) all[bin] = std::exp(-static_cast<double>(bin) / kBinsPerUnit);
    return all;
  }();
  return weights;
}

// Where a logit lies, in bins below the best one.
RWKV_WIDE inline double depth(float logit, float best, double scale) noexcept {
  const double bins = (static_cast<double>(best) - static_cast<double>(logit)) * scale;
  return bins < static_cast<double>(kBins) ? bins : static_cast<double>(kBins);
}

// exp(-part / kBinsPerUnit) for a part of a bin, 0 to 1: five terms of the series err by less than 3e-14.
RWKV_WIDE inline double weight_within(double part) noexcept {
  const double x = part * (-1.0 / kBinsPerUnit);
  return 1.0 + x * (1.0 + x * (1.0 / 2 + x * (1.0 / 6 + x * (1.0 / 24 + x * (1.0 / 120)))));
}

}  // namespace

void LogitBins::fill(std::span<const float> logits, float best, double temperature) {
  logits_ = logits;
  best_ = best;
  const double scale = scale_ = kBinsPerUnit / temperature;
  sums_.assign(kBins + 1, 0.0);
  double* const sums = sums_.data();
  in_wide_registers([=]() RWKV_WIDE {
    double at[kBlock];
    std::int32_t bins[kBlock];
    double weights[kBlock];
    for (std::size_t begin = 0; begin < logits.size(); begin += kBlock) {
      const std::size_t count = std::min(kBlock, logits.size() - begin);
      const float* block = logits.data() + begin;
      for (std::size_t i = 0; i < count; ++i) at[i] = depth(block[i], best, scale);
      for (std::size_t i = 0; i < count; ++i) bins[i] = static_cast<std::int32_t>(at[i]);
      for (std::size_t i = 0; i < count; ++i) weights[i] = weight_within(at[i] - static_cast<double>(bins[i]));
      std::size_t i = 0;
      for (; i + 4 <= count; i += 4) {
        for (std::size_t j = 0; j < 4; ++j) sums[bins[i + j]] += weights[i + j];
      }
      for (; i < count; ++i) sums[bins[i]] += weights[i];
    }
  });
  mass_ = 0;
  for (std::size_t bin = 0; bin < kBins; ++bin) mass_ += weight(bin);
}

double LogitBins::weight(std::size_t bin) const noexcept { return bin_weights()[bin] * sums_[bin]; }

double LogitBins::weight_of(const Candidate& candidate) const noexcept {
  const double at = depth(candidate.logit, best_, scale_);
  const auto bin = static_cast<std::size_t>(at);
  return bin_weights()[bin] * weight_within(at - static_cast<double>(bin));
}

void LogitBins::collect(std::size_t bin) {
  members_.clear();
  // A little more than the bin's logits, so that rounding leaves none of them out; which are in it, depth() says.
  const double top = static_cast<double>(best_) - (static_cast<double>(bin) - 0.01) / scale_;
  const double bottom = static_cast<double>(best_) - (static_cast<double>(bin) + 1.01) / scale_;
  const auto most = std::nextafter(static_cast<float>(top), std::numeric_limits<float>::infinity());
  const auto least = std::nextafter(static_cast<float>(bottom), -std::numeric_limits<float>::infinity());
  blocks_.resize((logits_.size() + kBlock - 1) / kBlock);
  std::size_t found = 0;
  in_wide_registers([&]() RWKV_WIDE {
    for (std::size_t begin = 0; begin < logits_.size(); begin += kBlock) {
      const std::size_t count = std::min(kBlock, logits_.size() - begin);
      const float* block = logits_.data() + begin;
      int any = 0;
      for (std::size_t i = 0; i < count; ++i) {
        any |= static_cast<int>(block[i] <= most) & static_cast<int>(block[i] >= least);
      }
      blocks_[found] = begin;
      found += static_cast<std::size_t>(any);
    }
  });
  for (std::size_t one = 0; one < found; ++one) {
    const std::size_t begin = blocks_[one];
    const std::size_t count = std::min(kBlock, logits_.size() - begin);
    const float* block = logits_.data() + begin;
    for (std::size_t i = 0; i < count; ++i) {
      if (block[i] > most || block[i] < least) continue;
      if (static_cast<std::size_t>(depth(block[i], best_, scale_)) != bin) continue;
      members_.push_back({block[i], static_cast<TokenId>(begin + i)});
    }
  }
  std::sort(members_.begin(), members_.end(), [](const Candidate& a, const Candidate& b) {
    return a.logit > b.logit || (a.logit == b.logit && a.token < b.token);
  });
}

double LogitBins::keep(double wanted) {
  double before = 0;  // what the bins before the last one weigh
  double through = 0;
  for (std::size_t bin = 0; bin < kBins && through < wanted; ++bin) {
    if (sums_[bin] <= 0) continue;
    last_bin_ = bin;
    before = through;
    through += weight(bin);
  }
  collect(last_bin_);
  last_count_ = 0;
  double kept = before;
  do {
    kept += weight_of(members_[last_count_++]);
  } while (kept < wanted && last_count_ < members_.size());
  return kept;
}

TokenId LogitBins::at(double place) {
  double left = place;
  std::size_t bin = 0;
  while (bin < last_bin_ && left >= weight(bin)) left -= weight(bin++);
  collect(bin);
  const std::size_t count = bin == last_bin_ ? last_count_ : members_.size();
  for (std::size_t i = 0; i + 1 < count; ++i) {
    left -= weight_of(members_[i]);
    if (left < 0) return members_[i].token;
  }
  return members_[count - 1].token;
}

}  // namespace rwkv
