// Sequences and their states: exact copies, no influence on each other, and typed refusals that change nothing.
#include "backend_contract/subject.h"
#include "support/stable_cuts.h"

namespace rwkv::test {
namespace {

using States = Contract;

TEST_P(States, RestoredStateContinuesBitForBitInAnySlot) {
  const auto model = load();
  const int vocabulary = model->info().vocabulary;
  const auto a = model->create_sequence();
  const auto b = model->create_sequence();
  feed(*model, *a, random_tokens(40, vocabulary, 1));
  const State state = a->save();
  EXPECT_EQ(state.position(), 40);
  const auto form = model->state_form();
  const Tokens rest = random_tokens(9, vocabulary, 2);
  const Logits expected = feed(*model, *a, rest);
  feed(*model, *b, random_tokens(5, vocabulary, 3));
  for (Sequence* sequence : {b.get(), a.get(), b.get()}) {
    sequence->restore(state);
    EXPECT_EQ(sequence->position(), 40);
    EXPECT_EQ(sequence->save().position(), 40);
    if (form != nullptr) {
      EXPECT_EQ(form->tensors_of(sequence->save()).values, form->tensors_of(state).values);
    }
    EXPECT_EQ(feed(*model, *sequence, rest), expected);
    EXPECT_EQ(sequence->position(), 49);
  }
}

TEST_P(States, StateOfAnotherInstanceOfTheSameFileIsTakenEvenAfterThatIsGone) {
  auto first = load();
  const auto second = load();
  auto a = first->create_sequence();
  const auto b = second->create_sequence();
  feed(*first, *a, {1, 2, 3});
  const State state = a->save();
  const Logits expected = feed(*first, *a, {4});
  a.reset();
  first.reset();
  b->restore(state);
  EXPECT_EQ(feed(*second, *b, {4}), expected);
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
  feed(*model, *sequence, random_tokens(1500, model->info().vocabulary, 1));
  EXPECT_EQ(sequence->position(), 1500);
}

TEST_P(States, SequencesDoNotDisturbEachOtherInWhateverOrderTheyRun) {
  const auto model = load();
  const int vocabulary = model->info().vocabulary;
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
        const Tokens tokens = random_tokens(1 + random() % 3, vocabulary, static_cast<std::uint32_t>(round));
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
    EXPECT_LE(distance(feed(*model, *sequences[i], {9}), feed(*other, *alone, {9})), traits().order_tolerance) << i;
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
  refused(State(StateBytes(), 4), "the state");
  refused(State(StateBytes(100), 4), "the state");
  if (traits().checks_states) {
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
  }
  sequence->restore(good);
  EXPECT_EQ(sequence->position(), good.position());
}

TEST_P(States, StatesOfOtherBackendsAreRefused) {
  const auto model = load();
  const auto sequence = model->create_sequence();
  for (const Subject& other : subjects()) {
    if (other.backend == &backend()) continue;
    const auto stranger = other.backend->load(ModelSource(write(other.file())), one_thread(1));
    const auto foreign = stranger->create_sequence();
    feed(*stranger, *foreign, {1, 2});
    expect_error(ErrorCode::kInvalidArgument, "the state", [&] { sequence->restore(foreign->save()); });
    EXPECT_EQ(sequence->position(), 0);
  }
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

TEST_P(States, NumbersAndStateBecomeEachOtherBitForBit) {
  const auto model = load();
  const auto form = model->state_form();
  if (form == nullptr) GTEST_SKIP() << "keeps its states to itself";
  const auto a = model->create_sequence();
  feed(*model, *a, random_tokens(40, model->info().vocabulary, 1));
  const State state = a->save();
  const StateTensors tensors = form->tensors_of(state);
  EXPECT_EQ(tensors.values.size(), tensors.layers * tensors.layer_values());
  if (traits().tolerance > 0) {
    EXPECT_EQ(tensors.values.size() * sizeof(float), model->info().state_bytes);
  }
  EXPECT_TRUE(equal(form->state_of(tensors, state.position()), state));
  EXPECT_TRUE(form->state_of(tensors, 0).is_zero() || traits().tolerance == 0);
  for (const float value : form->tensors_of(State()).values) ASSERT_EQ(value, 0);
}

TEST_P(States, NumbersOfAnotherShapeOrPlaceAreRefused) {
  const auto model = load();
  const auto form = model->state_form();
  if (form == nullptr) GTEST_SKIP() << "keeps its states to itself";
  if (traits().tolerance == 0) GTEST_SKIP() << "its states have any length";
  const auto a = model->create_sequence();
  feed(*model, *a, {1, 2, 3});
  const StateTensors tensors = form->tensors_of(a->save());
  StateTensors fewer = tensors;
  fewer.layers = 1;
  StateTensors cut = tensors;
  cut.values.pop_back();
  for (const StateTensors* bad : {&fewer, &cut}) {
    expect_error(ErrorCode::kInvalidArgument, "not those of the model", [&] { form->state_of(*bad, 3); });
  }
  expect_error(ErrorCode::kInvalidArgument, "-1 tokens", [&] { form->state_of(tensors, -1); });
  expect_error(ErrorCode::kInvalidArgument, "tokens", [&] { form->state_of(tensors, std::int64_t{1} << 40); });
  const auto other = load(2);
  expect_error(ErrorCode::kInvalidArgument, "another model", [&] { other->state_form()->tensors_of(a->save()); });
}

TEST_P(States, TheNumbersMoveASequenceToAnotherBackendOfTheSameModel) {
  const auto model = load();
  if (traits().tolerance == 0 || model->state_form() == nullptr) GTEST_SKIP() << "its numbers are no RWKV state";
  const auto sequence = model->create_sequence();
  feed(*model, *sequence, random_tokens(30, model->info().vocabulary, 8));
  const StateTensors numbers = model->state_form()->tensors_of(sequence->save());
  const Logits expected = feed(*model, *sequence, {11});
  for (const Subject& other : subjects()) {
    if (other.version != GetParam().version || other.type != GetParam().type) continue;
    const auto there = other.backend->load(ModelSource(write(GetParam().file())), one_thread(1));
    EXPECT_EQ(there->info().fingerprint, model->info().fingerprint) << other;
    const auto continued = there->create_sequence();
    continued->restore(there->state_form()->state_of(numbers, 30));
    const double tolerance = std::max(traits().tolerance, other.traits.tolerance);
    EXPECT_LE(distance(feed(*there, *continued, {11}), expected), tolerance) << other;
  }
}

FOR_ALL_BACKENDS(States);

}  // namespace
}  // namespace rwkv::test
