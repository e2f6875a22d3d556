// Sequences and their states: exact copies, no influence on each other, and typed refusals that change nothing.
#include <gtest/gtest.h>

#include <cstring>

#include "support/tiny_model.h"

namespace rwkv::test {
namespace {

class States : public testing::TestWithParam<int> {
 protected:
  std::unique_ptr<Model> load(std::uint32_t seed = 1, int sequences = 4) const {
    return load_tiny(shape_of(GetParam()), kF32, seed, one_thread(sequences));
  }
};

TEST_P(States, RestoredStateContinuesBitForBitInAnySlot) {
  const auto model = load();
  const auto a = model->create_sequence();
  const auto b = model->create_sequence();
  feed(*model, *a, random_tokens(40, 64, 1));
  const State state = a->save();
  EXPECT_EQ(state.position(), 40);
  const Tokens rest = random_tokens(9, 64, 2);
  const Logits expected = feed(*model, *a, rest);
  feed(*model, *b, random_tokens(5, 64, 3));
  for (Sequence* sequence : {b.get(), a.get(), b.get()}) {
    sequence->restore(state);
    EXPECT_EQ(sequence->position(), 40);
    const State again = sequence->save();
    EXPECT_EQ(again.position(), 40);
    EXPECT_EQ(feed(*model, *sequence, rest), expected);
    EXPECT_EQ(sequence->position(), 49);
  }
}

TEST_P(States, StateOfAnotherInstanceOfTheSameFileIsTaken) {
  const auto first = load();
  const auto second = load();
  const auto a = first->create_sequence();
  const auto b = second->create_sequence();
  feed(*first, *a, {1, 2, 3});
  b->restore(a->save());
  EXPECT_EQ(feed(*second, *b, {4}), feed(*first, *a, {4}));
}

TEST_P(States, ZeroStateIsTheStateOfANewSequence) {
  const auto model = load();
  const auto a = model->create_sequence();
  EXPECT_TRUE(a->save().is_zero());
  const Logits fresh = feed(*model, *a, {5, 6});
  a->restore(State());
  EXPECT_EQ(a->position(), 0);
  EXPECT_EQ(feed(*model, *a, {5, 6}), fresh);
  a->reset();
  EXPECT_EQ(feed(*model, *a, {5, 6}), fresh);
  const auto b = model->create_sequence();
  EXPECT_EQ(feed(*model, *b, {5, 6}), fresh);
}

TEST_P(States, SlotOfAnEndedSequenceBeginsAtZero) {
  const auto model = load(1, 1);
  auto sequence = model->create_sequence();
  const Logits fresh = feed(*model, *sequence, {5, 6});
  sequence.reset();
  sequence = model->create_sequence();
  EXPECT_EQ(sequence->position(), 0);
  EXPECT_EQ(feed(*model, *sequence, {5, 6}), fresh);
}

TEST_P(States, PromptMayBeOfAnyLengthWithOneSlotAsWell) {
  const auto model = load(1, 1);
  const auto sequence = model->create_sequence();
  feed(*model, *sequence, random_tokens(1500, 64, 1));
  EXPECT_EQ(sequence->position(), 1500);
}

TEST_P(States, SequencesDoNotDisturbEachOtherInWhateverOrderTheyRun) {
  const auto model = load();
  std::vector<std::unique_ptr<Sequence>> sequences(4);
  std::vector<Tokens> fed(4);
  std::mt19937 random(5);
  for (int round = 0; round < 60; ++round) {
    const std::size_t i = random() % 4;
    if (!sequences[i]) {
      sequences[i] = model->create_sequence();
      fed[i].clear();
    }
    switch (random() % 6) {
      case 0: sequences[i].reset(); break;
      case 1: {
        const State state = sequences[i]->save();
        sequences[i]->reset();
        sequences[i]->restore(state);
        break;
      }
      default: {
        const Tokens tokens = random_tokens(1 + random() % 3, 64, static_cast<std::uint32_t>(round));
        feed(*model, *sequences[i], tokens);
        fed[i].insert(fed[i].end(), tokens.begin(), tokens.end());
      }
    }
  }
  const auto other = load(1, 1);
  const auto alone = other->create_sequence();
  int compared = 0;
  for (std::size_t i = 0; i < 4; ++i) {
    if (!sequences[i]) continue;
    ++compared;
    alone->reset();
    if (!fed[i].empty()) feed(*other, *alone, fed[i]);
    EXPECT_LT(distance(feed(*model, *sequences[i], {9}), feed(*other, *alone, {9})), 1e-4) << i;
  }
  EXPECT_GE(compared, 2);
}

TEST_P(States, StatesThatAreNotTheModelsOwnAreRefusedAndLeaveTheSequenceAtZero) {
  const auto model = load(1);
  const auto tuned = load(2);  // same shapes, same name, other weights
  const auto sequence = model->create_sequence();
  const auto foreign = tuned->create_sequence();
  const Logits fresh = feed(*model, *sequence, {7});
  feed(*model, *sequence, {1, 2, 3});
  const State good = sequence->save();
  const StateBytes bytes = good.to_host();
  const auto refused = [&](const State& state, const std::string& reason) {
    feed(*model, *sequence, {1});
    expect_error(ErrorCode::kInvalidArgument, reason, [&] { sequence->restore(state); });
    EXPECT_EQ(sequence->position(), 0);
    EXPECT_EQ(feed(*model, *sequence, {7}), fresh);
  };

  feed(*tuned, *foreign, {1, 2, 3});
  refused(foreign->save(), "another model");
  refused(State(StateBytes(), 4), "not saved by this backend");
  refused(State(StateBytes(100), 4), "not saved by this backend");
  refused(State(bytes, good.position() + 1), "damaged");
  refused(State(bytes, -1), "damaged");
  std::mt19937 random(3);
  for (int round = 0; round < 40; ++round) {
    auto shorter = bytes;
    shorter.resize(random() % bytes.size());
    refused(State(shorter, good.position()), "the state");
    auto flipped = bytes;
    flipped[random() % bytes.size()] ^= static_cast<std::byte>(1u << random() % 8);
    refused(State(flipped, good.position()), "the state");
  }
  auto longer = bytes;
  longer.resize(bytes.size() + 1);
  refused(State(longer, good.position()), "damaged");
  sequence->restore(good);
  EXPECT_EQ(sequence->position(), good.position());
}

TEST_P(States, MoreSequencesThanSlotsAreRefusedUntilOneEnds) {
  const auto model = load(1, 2);
  EXPECT_EQ(model->info().batch_sizes, (std::vector<int>{1, 2}));
  auto a = model->create_sequence();
  const auto b = model->create_sequence();
  expect_error(ErrorCode::kOutOfMemory, "all 2 sequences", [&] { model->create_sequence(); });
  a.reset();
  EXPECT_NE(model->create_sequence(), nullptr);
}

TEST_P(States, InvalidEvaluationsAreRefusedAndChangeNothing) {
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
  for (const TokenId wrong : {-1, 64, 1 << 30}) {
    const Tokens tokens{1, 2, wrong};
    refused({{.sequence = b.get(), .tokens = fine}, {.sequence = a.get(), .tokens = tokens}},
            "outside the vocabulary of 64");
  }
  refused({{.sequence = a.get(), .tokens = none}}, "no tokens");
  refused({{.sequence = a.get(), .tokens = fine}, {.sequence = a.get(), .tokens = fine}}, "twice");
  refused({{.sequence = a.get(), .tokens = fine}, {.sequence = stranger.get(), .tokens = fine}}, "does not belong");
  refused({{.sequence = a.get(), .tokens = fine}, {.sequence = nullptr, .tokens = fine}}, "does not belong");
  model->evaluate({}, {});
  EXPECT_EQ(b->position(), 0);
  const State after = a->save();
  ASSERT_EQ(after.position(), before.position());
  EXPECT_EQ(after.to_host(), before.to_host());
}

TEST_P(States, LogitsComeWhereTheyAreWantedAndNowhereElse) {
  const auto model = load();
  const auto a = model->create_sequence();
  const auto b = model->create_sequence();
  const auto c = model->create_sequence();
  const Tokens longer = random_tokens(700, 64, 1);
  const Tokens shorter{3};
  const float stale = 0;
  std::vector<EvalItem> items{{.sequence = a.get(), .tokens = shorter},
                              {.sequence = b.get(), .tokens = longer, .wants = Output::kNone, .output = {&stale, 1}},
                              {.sequence = c.get(), .tokens = longer}};
  model->evaluate(items, {});
  EXPECT_EQ(items[0].output.size(), 64u);
  EXPECT_TRUE(items[1].output.empty());
  EXPECT_EQ(items[2].output.size(), 64u);
  const Logits first(items[0].output.begin(), items[0].output.end());
  a->reset();
  EXPECT_LT(distance(first, feed(*model, *a, shorter)), 1e-4);
  EXPECT_EQ(b->position(), 700);
}

TEST_P(States, NumbersAndStateBecomeEachOtherBitForBit) {
  const auto model = load();
  const auto a = model->create_sequence();
  feed(*model, *a, random_tokens(40, 64, 1));
  const State state = a->save();
  const StateTensors tensors = model->state_form()->tensors_of(state);
  EXPECT_EQ(tensors.values.size(), tensors.layers * tensors.layer_values());
  EXPECT_EQ(tensors.values.size() * sizeof(float), model->info().state_bytes);
  const State again = model->state_form()->state_of(tensors, state.position());
  EXPECT_EQ(again.position(), state.position());
  EXPECT_EQ(again.to_host(), state.to_host());
  EXPECT_TRUE(model->state_form()->state_of(tensors, 0).is_zero());
  for (const float value : model->state_form()->tensors_of(State()).values) ASSERT_EQ(value, 0);
}

TEST_P(States, NumbersOfAnotherShapeOrPlaceAreRefused) {
  const auto model = load();
  const auto a = model->create_sequence();
  feed(*model, *a, {1, 2, 3});
  const StateTensors tensors = model->state_form()->tensors_of(a->save());
  StateTensors fewer = tensors;
  fewer.layers = 1;
  StateTensors cut = tensors;
  cut.values.pop_back();
  for (const StateTensors* bad : {&fewer, &cut}) {
    expect_error(ErrorCode::kInvalidArgument, "not those of the model",
                 [&] { model->state_form()->state_of(*bad, 3); });
  }
  expect_error(ErrorCode::kInvalidArgument, "-1 tokens", [&] { model->state_form()->state_of(tensors, -1); });
  expect_error(ErrorCode::kInvalidArgument, "tokens",
               [&] { model->state_form()->state_of(tensors, std::int64_t{1} << 40); });
  const auto other = load(2);
  expect_error(ErrorCode::kInvalidArgument, "another model", [&] { other->state_form()->tensors_of(a->save()); });
}

INSTANTIATE_TEST_SUITE_P(LlamaCpp, States, testing::Values(7, 6),
                         [](const auto& test) { return "Rwkv" + std::to_string(test.param); });

TEST(ModelInfo, SaysWhatTheFileIs) {
  const auto model = load_tiny(shape_of(7), kF16);
  const ModelInfo& info = model->info();
  EXPECT_EQ(info.backend, "llama.cpp");
  EXPECT_EQ(info.architecture, "rwkv7");
  EXPECT_EQ(info.name, "tiny");
  EXPECT_EQ(info.weight_type, "F16");
  EXPECT_EQ(info.layers, 2);
  EXPECT_EQ(info.width, 128);
  EXPECT_EQ(info.heads, 2);
  EXPECT_EQ(info.head_size, 64);
  EXPECT_EQ(info.vocabulary, 64);
  std::uint64_t parameters = 0;
  const TinyRwkv weights(shape_of(7));
  for (const auto& tensor : weights.tensors()) parameters += tensor.values.size();
  EXPECT_EQ(info.parameters, parameters);
  EXPECT_EQ(info.state_bytes, 2u * (2 * 128 + 2 * 64 * 64) * 4);
  EXPECT_EQ(info.batch_sizes.size(), 16u);
  ASSERT_NE(model->embedded_vocabulary(), nullptr);
  EXPECT_EQ(model->embedded_vocabulary()->bytes(11), "\n");
}

}  // namespace
}  // namespace rwkv::test
