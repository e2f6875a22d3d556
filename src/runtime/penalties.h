// Repetition penalties: what has been said becomes less likely, less so the longer ago it was.
#pragma once

#include <cstddef>
#include <span>
#include <utility>
#include <vector>

#include "base/token.h"

namespace rwkv {

/// In logits: a token that occurred loses `presence` once and `frequency` for each (decayed) occurrence.
struct PenaltyParams {
  float presence = 2.0f;
  float frequency = 0.2f;
  float decay = 0.996f;  // factor on all occurrences a step
};

/// Throws Error(kInvalidArgument) naming the value that is not a number or infinite.
void validate(const PenaltyParams& params);

/// The tokens of one answer with their occurrences.
class Penalties {
 public:
  /// One more occurrence of `token`.
  void count(TokenId token);

  /// Subtracts the penalties from `logits` (ids outside are skipped), then lets the occurrences decay by one step.
  void apply(const PenaltyParams& params, std::span<float> logits);

 private:
  struct Occurrence {
    TokenId token;
    float count;
  };
  std::vector<Occurrence> occurrences_;  // sorted by token
};

}  // namespace rwkv
