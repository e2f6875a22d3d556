// All logits of a token in order of probability, without sorting them.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "base/token.h"

namespace rwkv {

/// A logit and the token it belongs to.
struct Candidate {
  float logit;
  TokenId token;
};

/// Softmax weights of all tokens, relative to the largest logit, summed in bins of nearly equal logits: a draw sorts
/// only the one or two bins that decide it. A token less likely than the first by a factor of e^48 weighs nothing:
/// 65,536 of them together do not change the last bit of a sum.
class LogitBins {
 public:
  /// `best` is the largest of `logits` and finite, which must live until the next call.
  void fill(std::span<const float> logits, float best, double temperature);

  /// Of all tokens.
  double mass() const noexcept { return mass_; }
  /// The tokens that remain when only the most likely ones are kept, as few as weigh `wanted` together. Returns what
  /// they weigh.
  double keep(double wanted);
  /// The token at `place`, 0 to what was kept, when the kept tokens lie one after another as long as they weigh, the
  /// most likely first.
  TokenId at(double place);

 private:
  double weight(std::size_t bin) const noexcept;
  void collect(std::size_t bin);
  double weight_of(const Candidate& candidate) const noexcept;

  std::span<const float> logits_;
  float best_ = 0;
  double scale_ = 0;  // bins per unit of the logits
  double mass_ = 0;
  std::vector<double> sums_;         // a bin: of its tokens' weights relative to its first logit
  std::size_t last_bin_ = 0;         // of what is kept
  std::size_t last_count_ = 0;       // tokens kept in that bin
  std::vector<std::size_t> blocks_;  // where members_ can be: the first logits of their blocks
  std::vector<Candidate> members_;   // of one bin, most likely first
};

}  // namespace rwkv
