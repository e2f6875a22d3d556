#include "runtime/penalties.h"

#include <algorithm>
#include <cmath>
#include <string>

#include "base/error.h"

namespace rwkv {

void validate(const PenaltyParams& params) {
  const std::pair<const char*, float> values[] = {
      {"presence penalty", params.presence}, {"frequency penalty", params.frequency}, {"penalty decay", params.decay}};
  for (const auto& [name, value] : values) {
    if (!std::isfinite(value)) {
      throw Error(ErrorCode::kInvalidArgument, std::string("the ") + name + " must be a finite number");
    }
  }
}

void Penalties::count(TokenId token) {
  const auto at = std::lower_bound(occurrences_.begin(), occurrences_.end(), token,
                                   [](const Occurrence& o, TokenId id) { return o.token < id; });
  if (at != occurrences_.end() && at->token == token) {
    at->count += 1.0f;
  } else {
    occurrences_.insert(at, {token, 1.0f});
  }
}

void Penalties::apply(const PenaltyParams& params, std::span<float> logits) {
  for (Occurrence& occurrence : occurrences_) {
    const auto i = static_cast<std::size_t>(occurrence.token);
    if (occurrence.token >= 0 && i < logits.size()) {
      logits[i] -= params.frequency * occurrence.count + params.presence;
    }
    occurrence.count *= params.decay;
  }
}

}  // namespace rwkv
