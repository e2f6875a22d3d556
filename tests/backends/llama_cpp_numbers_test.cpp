// What llama.cpp computes for us, against the equations, and that it does not depend on how the work is cut up.
#include <gtest/gtest.h>

#include "support/rwkv_reference.h"
#include "support/tiny_model.h"

namespace rwkv::test {
namespace {

// Single precision against double: rounding, amplified by the layers' norms.
constexpr double kF32Tolerance = 1e-3;
// ggml rounds the other factor of a product with halves to halves as well (11 bits), and random layers amplify it.
constexpr double kF16Tolerance = 1e-1;
// The same sums in another order: ggml multiplies several tokens with another kernel than one.
constexpr double kOrderTolerance = 1e-4;
constexpr double kF16OrderTolerance = 1e-2;

struct Variant {
  int version;
  std::uint32_t type;
};

class Numbers : public testing::TestWithParam<Variant> {
 protected:
  double reference_tolerance() const { return GetParam().type == kF32 ? kF32Tolerance : kF16Tolerance; }
  double order_tolerance() const { return GetParam().type == kF32 ? kOrderTolerance : kF16OrderTolerance; }
  std::unique_ptr<Model> load(std::uint32_t seed = 1) const { return load_tiny(shape(), GetParam().type, seed); }
  TinyShape shape() const { return shape_of(GetParam().version); }
};

TEST_P(Numbers, EverySingleTokenAgreesWithTheEquations) {
  for (const std::uint32_t seed : {1u, 2u}) {
    const TinyRwkv weights(shape(), seed);
    const auto model = load(seed);
    const auto sequence = model->create_sequence();
    for (int token = 0; token < 64; token += 9) {
      sequence->reset();
      EXPECT_LT(distance(feed(*model, *sequence, {token}), RwkvReference(weights).step(token)), reference_tolerance())
          << token;
    }
  }
}

TEST_P(Numbers, UpToThreeHundredTokensAgreeWithTheEquationsWhetherFedTogetherOrOneByOne) {
  const TinyRwkv weights(shape(), 4);
  const auto model = load(4);
  const Tokens tokens = random_tokens(GetParam().type == kF32 ? 300 : 40, 64, 1);
  const auto stepped = model->create_sequence();
  const auto whole = model->create_sequence();
  RwkvReference reference(weights);
  std::vector<double> expected;
  Logits got;
  for (const TokenId token : tokens) {
    expected = reference.step(token);
    got = feed(*model, *stepped, {token});
    ASSERT_LT(distance(got, expected), reference_tolerance()) << "token " << stepped->position();
  }
  EXPECT_LT(distance(feed(*model, *whole, tokens), expected), reference_tolerance());
  EXPECT_EQ(stepped->position(), whole->position());
}

TEST_P(Numbers, PromptInPiecesOfAnyLengthGivesWhatTheWholeGives) {
  const auto model = load();
  const Tokens tokens = random_tokens(600, 64, 2);  // more than one call of llama.cpp
  const auto sequence = model->create_sequence();
  const Logits whole = feed(*model, *sequence, tokens);
  for (const std::size_t piece : {512u, 511u, 64u, 17u}) {
    sequence->reset();
    Logits last;
    for (std::size_t at = 0; at < tokens.size(); at += piece) {
      last = feed(*model, *sequence,
                  Tokens(tokens.begin() + static_cast<std::ptrdiff_t>(at),
                         tokens.begin() + static_cast<std::ptrdiff_t>(std::min(at + piece, tokens.size()))));
    }
    EXPECT_LT(distance(last, whole), order_tolerance()) << piece;
  }
}

TEST_P(Numbers, BatchOfAnySizeGivesWhatEachGivesAlone) {
  const auto model = load();
  const auto alone = model->create_sequence();
  for (const std::size_t count : {2u, 15u}) {
    std::vector<std::unique_ptr<Sequence>> sequences;
    std::vector<Tokens> prompts;
    for (std::size_t i = 0; i < count; ++i) {
      sequences.push_back(model->create_sequence());
      // Lengths 1, 1 and up: some end in the first call of llama.cpp, some go on for several.
      prompts.push_back(random_tokens(i < 2 ? 1 : i * 8, 64, static_cast<std::uint32_t>(i)));
    }
    for (int round = 1; round <= 2; ++round) {
      std::vector<EvalItem> items;
      for (std::size_t i = count; i-- > 0;) items.push_back({.sequence = sequences[i].get(), .tokens = prompts[i]});
      model->evaluate(items, {});
      std::vector<Logits> together(count);
      for (std::size_t i = 0; i < count; ++i) {
        const auto& logits = items[count - 1 - i].output;
        together[i].assign(logits.begin(), logits.end());
      }
      for (std::size_t i = 0; i < count; ++i) {
        alone->reset();
        Logits expected;
        for (int again = 0; again < round; ++again) expected = feed(*model, *alone, prompts[i]);
        EXPECT_LT(distance(together[i], expected), order_tolerance()) << i << " of " << count << ", round " << round;
        EXPECT_EQ(sequences[i]->position(), alone->position());
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(LlamaCpp, Numbers,
                         testing::Values(Variant{7, kF32}, Variant{7, kF16}, Variant{6, kF32}, Variant{6, kF16}),
                         [](const auto& test) {
                           return "Rwkv" + std::to_string(test.param.version) +
                                  (test.param.type == kF32 ? "F32" : "F16");
                         });

TEST(Threads, HowManyDoesNotChangeABit) {
  for (const int version : {7, 6}) {
    const auto model = load_tiny(shape_of(version));
    const auto sequence = model->create_sequence();
    const Tokens tokens =
        random_tokens(2, 64, 3);  // few: ggml's threads spin at barriers, which costs a busy machine dear
    const Logits expected = feed(*model, *sequence, tokens);
    for (const int threads : {2, 1, 3}) {  // more than the model has heads as well
      model->set_threads(threads);
      EXPECT_EQ(model->info().threads, threads);
      sequence->reset();
      EXPECT_EQ(feed(*model, *sequence, tokens), expected) << threads;
    }
    expect_error(ErrorCode::kInvalidArgument, "number of threads is 0", [&] { model->set_threads(0); });
    expect_error(ErrorCode::kInvalidArgument, "number of threads is 100000", [&] { model->set_threads(100000); });
    EXPECT_EQ(model->info().threads, 3);
  }
}

}  // namespace
}  // namespace rwkv::test
