// What an evaluation takes and gives: tokens or embeddings, alone or together, in chunks, and what is refused.
#include <limits>

#include "backend_contract/subject.h"
#include "support/stable_cuts.h"

namespace rwkv::test {
namespace {

class Evaluation : public Contract {
 protected:
  // The whole contract of equal bits holds for those that say so.
  static bool is_exact(const Model& model) { return model.info().stable_chunk == 1 && model.info().stable_grid == 1; }
};

TEST_P(Evaluation, PromptInPiecesOfAnyLengthGivesWhatTheWholeGives) {
  const auto model = load();
  const Tokens tokens = random_tokens(600, model->info().vocabulary, 2);
  const auto sequence = model->create_sequence();
  const Logits whole = feed(*model, *sequence, tokens);
  for (const std::size_t chunk : {512u, 511u, 64u, 17u}) {
    sequence->reset();
    Logits last;
    for (std::size_t at = 0; at < tokens.size(); at += chunk) {
      last = feed(*model, *sequence,
                  Tokens(tokens.begin() + static_cast<std::ptrdiff_t>(at),
                         tokens.begin() + static_cast<std::ptrdiff_t>(std::min(at + chunk, tokens.size()))));
    }
    EXPECT_LE(distance(last, whole), traits().order_tolerance) << chunk;
  }
}

TEST_P(Evaluation, CutAtStablePlacesATextLeadsToTheSameStateBitForBit) {
  const auto model = load();
  expect_stable_cuts(*model, GetParam().label);
}

TEST_P(Evaluation, WhoDecodesAsHePrefillsReachesTheSameStateTokenByToken) {
  const auto model = load();
  if (!model->info().decode_equals_prefill) GTEST_SKIP() << "adds up in another order for one token than for several";
  const Tokens tokens = random_tokens(100, model->info().vocabulary, 5);
  const State whole = state_after_cuts(*model, tokens, {tokens.size()});
  std::vector<std::size_t> each(tokens.size());
  for (std::size_t i = 0; i < each.size(); ++i) each[i] = i + 1;
  EXPECT_TRUE(equal(state_after_cuts(*model, tokens, each), whole));
}

TEST_P(Evaluation, BatchOfAnySizeGivesWhatEachGivesAlone) {
  const auto model = load(1, 16);
  const int vocabulary = model->info().vocabulary;
  const auto alone = model->create_sequence();
  for (const std::size_t count : {2u, 15u}) {
    std::vector<std::unique_ptr<Sequence>> sequences;
    std::vector<Tokens> prompts;
    for (std::size_t i = 0; i < count; ++i) {
      sequences.push_back(model->create_sequence());
      // Lengths 1, 1 and up: some end early, some go on for several calls of an engine.
      prompts.push_back(random_tokens(i < 2 ? 1 : i * 8, vocabulary, static_cast<std::uint32_t>(i)));
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
        const double allowed = is_exact(*model) ? 0 : traits().order_tolerance;
        EXPECT_LE(distance(together[i], expected), allowed) << i << " of " << count << ", round " << round;
        EXPECT_EQ(sequences[i]->position(), alone->position());
      }
    }
  }
}

TEST_P(Evaluation, AnySequencesStepTogetherAndNoOtherOneChanges) {
  const auto model = load(1, 8);
  const auto alone = model->create_sequence();
  std::vector<std::unique_ptr<Sequence>> sequences(7);
  std::vector<Tokens> texts(7);
  for (std::size_t i = 0; i < 7; ++i) {
    sequences[i] = model->create_sequence();
    if (i == 3) continue;  // one at the zero state
    texts[i] = random_tokens(10 + i, model->info().vocabulary, static_cast<std::uint32_t>(i));
    feed(*model, *sequences[i], texts[i]);
  }
  sequences[4] = nullptr;  // a free place
  // In one sequence, since bytes may say where they come from.
  const auto state_of = [&](const State& state) {
    alone->restore(state);
    return alone->save();
  };
  const TokenId token = 7;
  for (const std::vector<std::size_t>& chosen : std::vector<std::vector<std::size_t>>{{0, 2, 6}, {6, 1}, {5, 0}}) {
    std::vector<State> before(7);
    for (std::size_t i = 0; i < 7; ++i) {
      if (sequences[i]) before[i] = sequences[i]->save();
    }
    std::vector<EvalItem> items;
    for (const std::size_t i : chosen) items.push_back({.sequence = sequences[i].get(), .tokens = {&token, 1}});
    model->evaluate(items, {});
    std::vector<Logits> together;
    for (const EvalItem& item : items) together.emplace_back(item.output.begin(), item.output.end());
    for (std::size_t at = 0; at < chosen.size(); ++at) {
      alone->restore(before[chosen[at]]);
      const double allowed = is_exact(*model) ? 0 : traits().order_tolerance;
      EXPECT_LE(distance(together[at], feed(*model, *alone, {token})), allowed) << chosen[at];
      EXPECT_EQ(sequences[chosen[at]]->position(), alone->position());
    }
    for (std::size_t i = 0; i < 7; ++i) {
      if (!sequences[i] || std::find(chosen.begin(), chosen.end(), i) != chosen.end()) continue;
      EXPECT_TRUE(equal(state_of(sequences[i]->save()), state_of(before[i]))) << i;
    }
  }
}

TEST_P(Evaluation, ABatchOfAnswersHasTheTokensOfEachAlone) {
  const auto model = load(1, 4);
  const auto best = [](std::span<const float> logits) {
    return static_cast<TokenId>(std::max_element(logits.begin(), logits.end()) - logits.begin());
  };
  constexpr int kSteps = 30;
  std::vector<std::unique_ptr<Sequence>> sequences;
  std::vector<Tokens> alone(3);
  std::vector<Tokens> together(3);
  const auto single = model->create_sequence();
  for (std::size_t i = 0; i < 3; ++i) {
    single->reset();
    alone[i].push_back(static_cast<TokenId>(5 + i));
    for (int step = 0; step < kSteps; ++step) alone[i].push_back(best(feed(*model, *single, {alone[i].back()})));
    sequences.push_back(model->create_sequence());
    together[i].push_back(static_cast<TokenId>(5 + i));
  }
  for (int step = 0; step < kSteps; ++step) {
    std::vector<EvalItem> items;
    for (std::size_t i = 0; i < 3; ++i) {
      items.push_back({.sequence = sequences[i].get(), .tokens = std::span(together[i]).last(1)});
    }
    model->evaluate(items, {});
    for (std::size_t i = 0; i < 3; ++i) together[i].push_back(best(items[i].output));
  }
  EXPECT_EQ(together, alone);
}

TEST_P(Evaluation, OutputsComeWhereTheyAreWantedAndNowhereElse) {
  const auto model = load();
  const auto rows = static_cast<std::size_t>(model->info().vocabulary);
  const auto a = model->create_sequence();
  const auto b = model->create_sequence();
  const auto c = model->create_sequence();
  const Tokens longer = random_tokens(700, model->info().vocabulary, 1);
  const Tokens shorter{3};
  const float stale = 0;
  std::vector<EvalItem> items{
      {.sequence = a.get(), .tokens = shorter},
      {.sequence = b.get(), .tokens = longer, .wants = Output::kNone, .output = {&stale, 1}},
      {.sequence = c.get(), .tokens = longer},
  };
  model->evaluate(items, {});
  EXPECT_EQ(items[0].output.size(), rows);
  EXPECT_TRUE(items[1].output.empty());
  EXPECT_EQ(items[2].output.size(), rows);
  const Logits first(items[0].output.begin(), items[0].output.end());
  a->reset();
  EXPECT_LE(distance(first, feed(*model, *a, shorter)), traits().order_tolerance);
  EXPECT_EQ(b->position(), 700);
}

TEST_P(Evaluation, AllLogitsAreThoseOfEachTokenAfterTheOther) {
  const auto model = load();
  const auto a = model->create_sequence();
  const Tokens tokens = random_tokens(20, model->info().vocabulary, 3);
  EvalItem item{.sequence = a.get(), .tokens = tokens, .wants = Output::kAllLogits};
  if (model->info().logit_rows == 0) {
    expect_error(ErrorCode::kUnsupported, "", [&] { model->evaluate(std::span(&item, 1), {}); });
    EXPECT_EQ(a->position(), 0);
    return;
  }
  const auto rows = static_cast<std::size_t>(model->info().vocabulary);
  model->evaluate(std::span(&item, 1), {});
  ASSERT_EQ(item.output.size(), tokens.size() * rows);
  const Logits all(item.output.begin(), item.output.end());
  const auto b = model->create_sequence();
  for (std::size_t t = 0; t < tokens.size(); ++t) {
    const auto row = std::span(all).subspan(t * rows, rows);
    EXPECT_LE(distance(feed(*model, *b, {tokens[t]}), row), traits().order_tolerance) << t;
  }
  const Tokens most = random_tokens(static_cast<std::size_t>(model->info().logit_rows) + 1, 64, 1);
  EvalItem too_many{.sequence = a.get(), .tokens = most, .wants = Output::kAllLogits};
  expect_error(ErrorCode::kInvalidArgument, "logit_rows", [&] { model->evaluate(std::span(&too_many, 1), {}); });
}

TEST_P(Evaluation, TheLastHiddenStateIsWhatTheLogitsAreMadeOf) {
  const auto model = load();
  const auto a = model->create_sequence();
  const Tokens tokens = random_tokens(20, model->info().vocabulary, 4);
  EvalItem item{.sequence = a.get(), .tokens = tokens, .wants = Output::kLastHidden};
  if (!model->info().gives_hidden) {
    expect_error(ErrorCode::kUnsupported, "", [&] { model->evaluate(std::span(&item, 1), {}); });
    return;
  }
  model->evaluate(std::span(&item, 1), {});
  const auto width = static_cast<std::size_t>(model->info().width);
  ASSERT_EQ(item.output.size(), width);
  if (traits().tolerance == 0) return;
  const std::vector<float> head = TinyRwkv(GetParam().shape())["output.weight"];
  Logits made(static_cast<std::size_t>(model->info().vocabulary));
  for (std::size_t i = 0; i < made.size(); ++i) {
    double sum = 0;
    for (std::size_t j = 0; j < width; ++j) sum += static_cast<double>(head[i * width + j]) * item.output[j];
    made[i] = static_cast<float>(sum);
  }
  const auto b = model->create_sequence();
  EXPECT_LT(distance(made, feed(*model, *b, tokens)), traits().tolerance);
}

TEST_P(Evaluation, EmbeddingsStandForTheTokensWhoseRowsTheyAre) {
  const auto model = load();
  const auto a = model->create_sequence();
  const auto b = model->create_sequence();
  const auto width = static_cast<std::size_t>(model->info().width);
  if (!model->info().takes_embeddings) {
    const std::vector<float> row(std::max<std::size_t>(width, 1));
    EvalItem item{.sequence = a.get(), .embeddings = row};
    expect_error(ErrorCode::kUnsupported, "", [&] { model->evaluate(std::span(&item, 1), {}); });
    return;
  }
  const Tokens tokens = random_tokens(30, model->info().vocabulary, 6);
  std::vector<float> rows = GetParam().embeddings_of(tokens);
  EvalItem item{.sequence = a.get(), .embeddings = rows};
  model->evaluate(std::span(&item, 1), {});
  EXPECT_EQ(a->position(), 30);
  const Logits got(item.output.begin(), item.output.end());
  EXPECT_LE(distance(got, feed(*model, *b, tokens)), traits().order_tolerance);
  // The two beside each other, and tokens after rows.
  EXPECT_LE(distance(feed(*model, *a, {7}), feed(*model, *b, {7})), traits().order_tolerance);
  const Tokens more{1, 2, 3};
  std::vector<EvalItem> items{{.sequence = a.get(), .embeddings = std::span(rows).first(3 * width)},
                              {.sequence = b.get(), .tokens = more}};
  model->evaluate(items, {});
  EXPECT_EQ(items[0].output.size(), items[1].output.size());
  EXPECT_EQ(a->position(), 34);
  const auto refused = [&](EvalItem bad, const std::string& reason) {
    expect_error(ErrorCode::kInvalidArgument, reason, [&] { model->evaluate(std::span(&bad, 1), {}); });
    EXPECT_EQ(a->position(), 34);
  };
  if (width > 1) refused({.sequence = a.get(), .embeddings = std::span(rows).first(width + 1)}, "no rows");
  refused({.sequence = a.get(), .tokens = more, .embeddings = std::span(rows).first(width)}, "tokens and embeddings");
  rows[width + 1] = std::numeric_limits<float>::quiet_NaN();
  refused({.sequence = a.get(), .embeddings = rows}, "not finite");
}

TEST_P(Evaluation, InvalidItemsAreRefusedAndChangeNothing) {
  const auto model = load();
  const auto other = load();
  const auto a = model->create_sequence();
  const auto b = model->create_sequence();
  const auto stranger = other->create_sequence();
  feed(*model, *a, {1, 2, 3});
  const State before = a->save();
  const Tokens fine{1};
  const Tokens none;
  const auto refused = [&](std::vector<EvalItem> items, const std::string& reason) {
    expect_error(ErrorCode::kInvalidArgument, reason, [&] { model->evaluate(items, {}); });
    for (const EvalItem& item : items) EXPECT_TRUE(item.output.empty());
  };
  const int rows = model->info().vocabulary;
  for (const TokenId wrong : {-1, rows, 1 << 30}) {
    const Tokens tokens{1, 2, wrong};
    refused({{.sequence = b.get(), .tokens = fine}, {.sequence = a.get(), .tokens = tokens}},
            "outside the vocabulary of " + std::to_string(rows));
  }
  refused({{.sequence = a.get(), .tokens = none}}, "no tokens");
  refused({{.sequence = a.get(), .tokens = fine}, {.sequence = a.get(), .tokens = fine}}, "twice");
  refused({{.sequence = a.get(), .tokens = fine}, {.sequence = stranger.get(), .tokens = fine}}, "does not belong");
  refused({{.sequence = a.get(), .tokens = fine}, {.sequence = nullptr, .tokens = fine}}, "does not belong");
  model->evaluate({}, {});
  EXPECT_EQ(b->position(), 0);
  EXPECT_TRUE(equal(a->save(), before));
}

FOR_ALL_BACKENDS(Evaluation);

}  // namespace
}  // namespace rwkv::test
