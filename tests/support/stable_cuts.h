// The cut rule: see ModelInfo::stable_chunk. The cache relies on it.
#pragma once

#include <cstddef>
#include <random>
#include <span>
#include <string>
#include <vector>

#include "support/tiny_model.h"

namespace rwkv::test {

/// The same position and the same bytes.
inline bool equal(const State& a, const State& b) { return a.position() == b.position() && a.to_host() == b.to_host(); }

/// The state after `tokens`, evaluated up to each of `cuts` in turn; the last one is the end.
inline State state_after_cuts(Model& model, const Tokens& tokens, const std::vector<std::size_t>& cuts) {
  const auto sequence = model.create_sequence();
  std::size_t done = 0;
  for (const std::size_t cut : cuts) {
    EvalItem item{
        .sequence = sequence.get(), .tokens = std::span(tokens).subspan(done, cut - done), .wants = Output::kNone};
    model.evaluate(std::span(&item, 1), {});
    EXPECT_TRUE(item.output.empty());
    done = cut;
  }
  return sequence->save();
}

/// Cut wherever the model allows it, a text leads to the same state bit for bit. `what` names the model.
inline void expect_stable_cuts(Model& model, const std::string& what) {
  const auto chunk = static_cast<std::size_t>(model.info().stable_chunk);
  const auto grid = static_cast<std::size_t>(model.info().stable_grid);
  const Tokens tokens = random_tokens(599, model.info().vocabulary, 5);
  const State whole = state_after_cuts(model, tokens, {tokens.size()});
  std::mt19937 random(7);
  for (int round = 0; round < 4; ++round) {
    std::vector<std::size_t> cuts;
    const std::size_t longest = round < 1 ? 2 * chunk : 200;
    for (std::size_t at = 0;;) {
      at += chunk + random() % (longest - chunk + 1);
      at = (at + grid - 1) / grid * grid;
      if (at + chunk > tokens.size()) break;
      cuts.push_back(at);
    }
    cuts.push_back(tokens.size());
    EXPECT_TRUE(equal(state_after_cuts(model, tokens, cuts), whole)) << what << " round " << round;
  }
}

}  // namespace rwkv::test
