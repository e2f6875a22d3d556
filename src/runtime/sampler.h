// Chooses a token from logits.
#pragma once

#include <cstddef>
#include <cstdint>
#include <random>
#include <span>
#include <vector>

#include "base/token.h"
#include "runtime/logit_bins.h"
#include "runtime/penalties.h"

namespace rwkv {

struct SamplerParams {
  float temperature = 1.0f;  // clamped to 0.1..5
  int top_k = 128;           // 0 or less: all tokens; 1: the most likely one
  float top_p = 0.5f;        // applied after top_k and temperature; within 0.0001 of 0: the most likely token
};

/// Throws Error(kInvalidArgument) naming the value that is not a number or infinite.
void validate(const SamplerParams& params);

/// A source of draws with the memory it works in: one an answer, so that an answer depends on its own seed alone.
class Sampler {
 public:
  /// Equal seeds give equal draws on every platform (Mersenne Twister, 53 bits a draw).
  explicit Sampler(std::uint64_t seed) : random_(seed) {}

  /// Penalties, then bans, then the k most likely tokens, softmax with temperature over them, the fewest of those that
  /// reach top_p, and a draw. `logits` is not changed; NaN counts as minus infinity. `banned` is empty or has one byte
  /// a logit, not 0 where the token is banned. Equal logits are taken in the order of their ids. Throws
  /// Error(kEvaluation) when no token is left.
  TokenId sample(std::span<const float> logits, const SamplerParams& params, const PenaltyParams& penalty_params,
                 Penalties& penalties, std::span<const std::uint8_t> banned);

 private:
  void prepare(std::span<const float> logits, std::span<const std::uint8_t> banned);
  void find_block_maxima();
  TokenId most_likely() const;
  void find_top(std::size_t k);
  TokenId draw_of_top(const SamplerParams& params, std::size_t k, float best, double temperature);
  TokenId draw(const SamplerParams& params, std::size_t k);
  double uniform();

  std::mt19937_64 random_;
  std::vector<float> logits_;        // the working copy
  std::vector<float> block_maxima_;  // of each kBlock logits
  std::vector<float> sorted_maxima_;
  std::vector<Candidate> top_;   // most likely first
  std::vector<double> weights_;  // of top_, not normalised
  LogitBins bins_;
};

}  // namespace rwkv
