// What llama.cpp evaluates in one pass over the weights.
#include <gtest/gtest.h>

#include "support/tiny_model.h"

namespace rwkv::test {
namespace {

// Products with one vector add up in another order than with several, so bits tell what was evaluated together.
TEST(Batch, SequencesWithFreePlacesBetweenThemStepInOnePass) {
  const auto logits_of = [](const std::vector<std::size_t>& chosen) {
    const auto model = load_tiny(shape_of(7));
    std::vector<std::unique_ptr<Sequence>> sequences;
    for (std::size_t i = 0; i <= chosen.back(); ++i) sequences.push_back(model->create_sequence());
    std::vector<Tokens> texts;
    for (std::size_t i = 0; i < chosen.size(); ++i) {
      texts.push_back(random_tokens(20, 64, static_cast<std::uint32_t>(i)));
      feed(*model, *sequences[chosen[i]], texts.back());
    }
    std::vector<EvalItem> items;
    for (std::size_t i = 0; i < chosen.size(); ++i) {
      items.push_back({.sequence = sequences[chosen[i]].get(), .tokens = std::span(texts[i]).last(1)});
    }
    model->evaluate(items, {});
    std::vector<Logits> logits;
    for (const EvalItem& item : items) logits.emplace_back(item.output.begin(), item.output.end());
    return logits;
  };
  const auto together = logits_of({0, 1, 2});
  EXPECT_EQ(logits_of({0, 2, 5}), together);
  EXPECT_EQ(logits_of({1, 3, 15}), together);
  EXPECT_EQ(logits_of({13, 14, 15}), together);
}

}  // namespace
}  // namespace rwkv::test
