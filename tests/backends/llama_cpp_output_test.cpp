// What an evaluation takes and gives besides tokens and last logits.
#include <gtest/gtest.h>

#include <limits>

#include "support/rwkv_reference.h"
#include "support/tiny_model.h"

namespace rwkv::test {
namespace {

// Single precision against double, and the same sums in another order.
constexpr double kTolerance = 1e-3;
constexpr double kOrderTolerance = 1e-4;

class Outputs : public testing::TestWithParam<int> {
 protected:
  TinyShape shape() const { return shape_of(GetParam()); }

  std::vector<float> embeddings_of(const Tokens& tokens) const {
    const std::size_t width = shape().width;
    std::vector<float> rows;
    for (const TokenId token : tokens) {
      const float* row = weights_["token_embd.weight"].data() + static_cast<std::size_t>(token) * width;
      rows.insert(rows.end(), row, row + width);
    }
    return rows;
  }

  std::vector<float> evaluate(EvalItem item) {
    model_->evaluate(std::span(&item, 1), {});
    return {item.output.begin(), item.output.end()};
  }

  const TinyRwkv weights_{shape(), 1};
  const std::unique_ptr<Model> model_ = load_tiny(shape());
  const std::unique_ptr<Sequence> sequence_ = model_->create_sequence();
};

TEST_P(Outputs, AllLogitsAreThoseOfTheEquationsAfterEachToken) {
  const auto rows = static_cast<std::size_t>(model_->info().logit_rows);
  const Tokens tokens = random_tokens(rows, 64, 3);
  RwkvReference reference(weights_);
  for (const std::size_t count : {std::size_t{1}, std::size_t{2}, std::size_t{7}, rows - 10}) {
    const auto begin = static_cast<std::size_t>(sequence_->position());
    const std::vector<float> all = evaluate(
        {.sequence = sequence_.get(), .tokens = std::span(tokens).subspan(begin, count), .wants = Output::kAllLogits});
    ASSERT_EQ(all.size(), count * 64);
    for (std::size_t i = 0; i < count; ++i) {
      const Logits row(all.begin() + static_cast<std::ptrdiff_t>(i * 64),
                       all.begin() + static_cast<std::ptrdiff_t>(i * 64 + 64));
      ASSERT_LT(distance(row, reference.step(tokens[begin + i])), kTolerance) << begin + i;
    }
  }
}

TEST_P(Outputs, ManyRowsOfSeveralSequencesComeWhereTheyBelong) {
  const auto rows = static_cast<std::size_t>(model_->info().logit_rows);
  // More tokens together than one call of llama.cpp takes, so that the rows of one are cut in two.
  const Tokens a = random_tokens(500, 64, 1);
  const Tokens b = random_tokens(rows - 5, 64, 2);
  const Tokens c = random_tokens(5, 64, 3);
  const auto second = model_->create_sequence();
  const auto third = model_->create_sequence();
  std::vector<EvalItem> items{{.sequence = sequence_.get(), .tokens = a},
                              {.sequence = second.get(), .tokens = b, .wants = Output::kAllLogits},
                              {.sequence = third.get(), .tokens = c, .wants = Output::kAllLogits}};
  model_->evaluate(items, {});
  const auto expect_rows = [&](const EvalItem& item) {
    ASSERT_EQ(item.output.size(), item.tokens.size() * 64);
    RwkvReference reference(weights_);
    for (std::size_t i = 0; i < item.tokens.size(); ++i) {
      const Logits row(item.output.begin() + static_cast<std::ptrdiff_t>(i * 64),
                       item.output.begin() + static_cast<std::ptrdiff_t>(i * 64 + 64));
      ASSERT_LT(distance(row, reference.step(item.tokens[i])), kTolerance) << i;
    }
  };
  expect_rows(items[1]);
  expect_rows(items[2]);
  EXPECT_EQ(items[0].output.size(), 64u);
}

TEST_P(Outputs, EmbeddingsOfTokensAreTheTokensBitForBit) {
  const Tokens tokens = random_tokens(600, 64, 5);  // more than one call of llama.cpp
  const std::vector<float> rows = embeddings_of(tokens);
  const std::vector<float> expected = evaluate({.sequence = sequence_.get(), .tokens = tokens});
  const StateBytes state = sequence_->save().to_host();
  sequence_->reset();
  EXPECT_EQ(evaluate({.sequence = sequence_.get(), .embeddings = rows}), expected);
  EXPECT_EQ(sequence_->position(), 600);
  EXPECT_EQ(sequence_->save().to_host(), state);
}

TEST_P(Outputs, TheLastHiddenStateTimesTheOutputMatrixIsTheLogits) {
  for (const std::size_t count : {1u, 2u, 17u, 700u}) {
    const Tokens tokens = random_tokens(count, 64, 6);
    sequence_->reset();
    const std::vector<float> logits = evaluate({.sequence = sequence_.get(), .tokens = tokens});
    sequence_->reset();
    const std::vector<float> hidden =
        evaluate({.sequence = sequence_.get(), .tokens = tokens, .wants = Output::kLastHidden});
    EXPECT_EQ(sequence_->position(), static_cast<std::int64_t>(count));
    const std::size_t width = shape().width;
    ASSERT_EQ(hidden.size(), width);
    std::vector<double> product(64, 0);
    const std::vector<float>& matrix = weights_["output.weight"];
    for (std::size_t row = 0; row < 64; ++row) {
      for (std::size_t i = 0; i < width; ++i) product[row] += 1.0 * matrix[row * width + i] * hidden[i];
    }
    EXPECT_LT(distance(logits, product), kOrderTolerance) << count;
  }
}

TEST_P(Outputs, DifferentWishesInOneEvaluationAreAllFulfilled) {
  const Tokens tokens = random_tokens(40, 64, 7);
  const std::vector<float> rows = embeddings_of(tokens);
  const std::vector<float> expected = evaluate({.sequence = sequence_.get(), .tokens = tokens});
  sequence_->reset();
  const auto b = model_->create_sequence();
  const auto c = model_->create_sequence();
  const auto d = model_->create_sequence();
  std::vector<EvalItem> items{{.sequence = sequence_.get(), .tokens = tokens, .wants = Output::kLastHidden},
                              {.sequence = b.get(), .embeddings = rows},
                              {.sequence = c.get(), .tokens = tokens},
                              {.sequence = d.get(), .embeddings = rows, .wants = Output::kNone}};
  model_->evaluate(items, {});
  EXPECT_EQ(items[0].output.size(), shape().width);
  for (const std::size_t i : {1u, 2u}) {
    EXPECT_LT(distance(Logits(items[i].output.begin(), items[i].output.end()), expected), kOrderTolerance) << i;
  }
  EXPECT_TRUE(items[3].output.empty());
  for (const EvalItem& item : items) EXPECT_EQ(item.sequence->position(), 40);
}

TEST_P(Outputs, WhatCannotBeIsRefusedAndChangesNothing) {
  const Tokens tokens{1, 2, 3};
  evaluate({.sequence = sequence_.get(), .tokens = tokens});
  const StateBytes before = sequence_->save().to_host();
  const Tokens many(static_cast<std::size_t>(model_->info().logit_rows) + 1, 1);
  std::vector<float> rows(shape().width * 2, 0.5f);
  const auto refused = [&](const EvalItem& item, const std::string& reason) {
    expect_error(ErrorCode::kInvalidArgument, reason, [&] { evaluate(item); });
    EXPECT_EQ(sequence_->save().to_host(), before);
  };
  Sequence* const it = sequence_.get();
  refused({.sequence = it, .tokens = many, .wants = Output::kAllLogits}, "the model gives those of");
  refused({.sequence = it, .tokens = tokens, .embeddings = rows}, "tokens and embeddings");
  refused({.sequence = it, .embeddings = std::span(rows).first(rows.size() - 1)}, "no rows of");
  rows.back() = std::numeric_limits<float>::quiet_NaN();
  refused({.sequence = it, .embeddings = rows}, "not finite");
}

INSTANTIATE_TEST_SUITE_P(LlamaCpp, Outputs, testing::Values(7, 6),
                         [](const auto& test) { return "Rwkv" + std::to_string(test.param); });

TEST(LlamaCppSettings, CopiedWeightsGiveTheSameBitsAndAFileThatIsCutDoesNotMatter) {
  const ScratchFolder folder;
  const std::string path = (folder.path() / "model.gguf").string();
  write_file(path, TinyRwkv(shape_of(7)).gguf(kF16).bytes());
  LoadOptions options = one_thread(1);
  const Tokens tokens = random_tokens(100, 64, 1);
  const auto mapped = load_file(path, options);
  const Logits expected = feed(*mapped, *mapped->create_sequence(), tokens);
  options.settings["weights"] = "copied";
  options.device = "cpu";
  const auto copied = load_file(path, options);
  std::filesystem::resize_file(path, 0);
  EXPECT_EQ(feed(*copied, *copied->create_sequence(), tokens), expected);
}

TEST(LlamaCppSettings, CopiedWeightsCountAsItsOwnMemory) {
  const ScratchFolder folder;
  const std::string path = (folder.path() / "model.gguf").string();
  write_file(path, TinyRwkv(shape_of(7)).gguf(kF16).bytes());
  const auto backend = make_llama_cpp_backend();
  const ModelSource source(path);
  LoadOptions options;
  const MemoryNeed mapped = backend->estimate(source, options);
  options.settings["weights"] = "copied";
  const MemoryNeed copied = backend->estimate(source, options);
  EXPECT_EQ(copied.mapped, 0u);
  EXPECT_EQ(copied.total(), mapped.total());
  options.settings["weights"] = "borrowed";
  expect_error(ErrorCode::kInvalidArgument, "'borrowed', not mapped or copied", [&] { load_file(path, options); });
}

}  // namespace
}  // namespace rwkv::test
