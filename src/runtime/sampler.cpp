#include "runtime/sampler.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <string>

#include "base/error.h"
#include "runtime/wide_loops.h"

namespace rwkv {
namespace {

constexpr std::size_t kBlock = 64;
constexpr float kNever = -std::numeric_limits<float>::infinity();

}  // namespace

void validate(const SamplerParams& params) {
  if (!std::isfinite(params.temperature)) {
    throw Error(ErrorCode::kInvalidArgument, "the temperature must be a finite number, 0.1 to 5 makes sense");
  }
  if (!std::isfinite(params.top_p)) {
    throw Error(ErrorCode::kInvalidArgument, "top_p must be a finite number, 0 to 1 makes sense");
  }
}

TokenId Sampler::sample(std::span<const float> logits, const SamplerParams& params, const PenaltyParams& penalty_params,
                        Penalties& penalties, std::span<const std::uint8_t> banned) {
  prepare(logits, banned);
  penalties.apply(penalty_params, logits_);
  find_block_maxima();
  const std::size_t n = logits_.size();
  const std::size_t k = params.top_k <= 0 ? n : std::min(n, static_cast<std::size_t>(params.top_k));
  if (k <= 1 || std::fabs(params.top_p) < 1e-4f) return most_likely();
  return draw(params, k);
}

// Copies with bans and without NaN.
void Sampler::prepare(std::span<const float> logits, std::span<const std::uint8_t> banned) {
  const std::size_t n = logits.size();
  logits_.resize(n);
  float* const to = logits_.data();
  in_wide_registers([=]() RWKV_WIDE {
    // NOLINTBEGIN(misc-redundant-expression): NaN is not equal to itself.
    if (banned.size() == n) {
      for (std::size_t i = 0; i < n; ++i) to[i] = banned[i] == 0 && logits[i] == logits[i] ? logits[i] : kNever;
    } else {
      for (std::size_t i = 0; i < n; ++i) to[i] = logits[i] == logits[i] ? logits[i] : kNever;
    }
    // NOLINTEND(misc-redundant-expression)
  });
}

void Sampler::find_block_maxima() {
  const std::size_t n = logits_.size();
  block_maxima_.resize((n + kBlock - 1) / kBlock);
  const float* const logits = logits_.data();
  float* const maxima = block_maxima_.data();
  const std::size_t blocks = block_maxima_.size();
  in_wide_registers([=]() RWKV_WIDE {
    for (std::size_t b = 0; b < blocks; ++b) {
      const float* block = logits + b * kBlock;
      const std::size_t size = std::min(kBlock, n - b * kBlock);
      float lanes[8] = {kNever, kNever, kNever, kNever, kNever, kNever, kNever, kNever};
      std::size_t i = 0;
      for (; i + 8 <= size; i += 8) {
        for (std::size_t lane = 0; lane < 8; ++lane) {
          lanes[lane] = lanes[lane] < block[i + lane] ? block[i + lane] : lanes[lane];
        }
      }
      for (; i < size; ++i) lanes[0] = std::max(lanes[0], block[i]);
      for (std::size_t lane = 1; lane < 8; ++lane) lanes[0] = std::max(lanes[0], lanes[lane]);
      maxima[b] = lanes[0];
    }
  });
}

TokenId Sampler::most_likely() const {
  const auto block = std::max_element(block_maxima_.begin(), block_maxima_.end());
  if (block == block_maxima_.end() || *block == kNever) {
    throw Error(ErrorCode::kEvaluation, "no token can be chosen: all are banned or the model gave no numbers");
  }
  const auto begin = static_cast<std::size_t>(block - block_maxima_.begin()) * kBlock;
  std::size_t i = begin;
  while (logits_[i] != *block) ++i;
  return static_cast<TokenId>(i);
}

// The k largest logits into top_, most likely first. The k-th largest block maximum is a lower bound for the k-th
// largest logit, so only blocks that reach it are looked at, and only the logits in them that do.
void Sampler::find_top(std::size_t k) {
  float bound = kNever;
  if (k < block_maxima_.size()) {
    sorted_maxima_ = block_maxima_;
    const auto kth = sorted_maxima_.begin() + static_cast<std::ptrdiff_t>(k - 1);
    std::nth_element(sorted_maxima_.begin(), kth, sorted_maxima_.end(), std::greater<>());
    bound = *kth;
  }
  top_.clear();
  for (std::size_t b = 0; b < block_maxima_.size(); ++b) {
    if (block_maxima_[b] < bound) continue;
    const std::size_t end = std::min((b + 1) * kBlock, logits_.size());
    for (std::size_t i = b * kBlock; i < end; ++i) {
      if (logits_[i] >= bound && logits_[i] > kNever) top_.push_back({logits_[i], static_cast<TokenId>(i)});
    }
  }
  const auto before = [](const Candidate& a, const Candidate& b) {
    return a.logit > b.logit || (a.logit == b.logit && a.token < b.token);
  };
  if (top_.size() > k) {
    std::nth_element(top_.begin(), top_.begin() + static_cast<std::ptrdiff_t>(k), top_.end(), before);
    top_.resize(k);
  }
  std::sort(top_.begin(), top_.end(), before);
}

TokenId Sampler::draw(const SamplerParams& params, std::size_t k) {
  const double temperature = std::clamp(static_cast<double>(params.temperature), 0.1, 5.0);
  const float best = *std::max_element(block_maxima_.begin(), block_maxima_.end());
  if (std::isinf(best)) return most_likely();  // certain, or nothing left
  if (k < logits_.size()) return draw_of_top(params, k, best, temperature);
  bins_.fill(logits_, best, temperature);
  const double kept = bins_.keep(params.top_p < 1.0f ? static_cast<double>(params.top_p) * bins_.mass() : bins_.mass());
  return bins_.at(uniform() * kept);
}

TokenId Sampler::draw_of_top(const SamplerParams& params, std::size_t k, float best, double temperature) {
  find_top(k);
  weights_.clear();
  double mass = 0;
  for (const Candidate& candidate : top_) {
    weights_.push_back(std::exp((static_cast<double>(candidate.logit) - static_cast<double>(best)) / temperature));
    mass += weights_.back();
  }
  const double wanted = static_cast<double>(params.top_p) * mass;
  double kept = 0;
  std::size_t size = 0;
  while (size < weights_.size()) {
    kept += weights_[size++];
    if (params.top_p < 1.0f && kept >= wanted) break;
  }
  double left = uniform() * kept;
  for (std::size_t i = 0; i + 1 < size; ++i) {
    left -= weights_[i];
    if (left < 0) return top_[i].token;
  }
  return top_[size - 1].token;
}

// In [0, 1).
double Sampler::uniform() { return static_cast<double>(random_() >> 11) * 0x1.0p-53; }

}  // namespace rwkv
