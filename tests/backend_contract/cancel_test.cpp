// Cancel in every phase: what it resets and what it leaves alone.
#include "backend_contract/subject.h"
#include "support/cancelling.h"

namespace rwkv::test {
namespace {

using Cancel = Contract;

TEST_P(Cancel, BeforeTheFirstTokenChangesNothing) {
  const auto model = load();
  const auto sequence = model->create_sequence();
  feed(*model, *sequence, {1, 2});
  const CancelToken cancel;
  cancel.cancel();
  expect_error(ErrorCode::kCancelled, "cancelled", [&] { feed(*model, *sequence, {3}, cancel); });
  EXPECT_EQ(sequence->position(), 2);
  const auto other = model->create_sequence();
  feed(*model, *other, {1, 2});
  EXPECT_EQ(feed(*model, *sequence, {3}), feed(*model, *other, {3}));
}

TEST_P(Cancel, InTheMiddleResetsTheCancelledSequencesAndNoOther) {
  if (traits().tolerance == 0) GTEST_SKIP() << "is done before it could be cancelled";
  const auto model = load();
  std::vector<std::unique_ptr<Sequence>> sequences;
  for (int i = 0; i < 4; ++i) sequences.push_back(model->create_sequence());
  for (const std::size_t i : {3u, 2u}) feed(*model, *sequences[i], {static_cast<TokenId>(i), 5});
  const State bystander = sequences[3]->save();
  const Logits expected = feed(*model, *sequences[3], {9});
  const Tokens tokens = random_tokens(20'000, 64, 1);
  const std::span<const TokenId> all(tokens);
  int cancelled = 0;
  for (int round = 0; round < 12; ++round) {
    // Woken in another order than they were made, so that an engine that moves sequences about while they run would
    // move the bystander, too.
    for (const std::size_t i : {0u, 1u, 3u}) sequences[i]->reset();
    feed(*model, *sequences[0], {1});
    sequences[3]->restore(bystander);
    feed(*model, *sequences[1], {1});
    std::vector<EvalItem> items{{.sequence = sequences[0].get(), .tokens = all.first(250)},
                                {.sequence = sequences[1].get(), .tokens = all}};
    const CancelToken cancel;
    {
      const LaterCancel later(cancel, std::chrono::microseconds(700 * (round + 1)));
      if (!is_cancelled(*model, items, cancel)) continue;
    }
    for (const EvalItem& item : items) EXPECT_TRUE(item.output.empty());
    if (sequences[1]->position() == 1) continue;  // it had not begun
    ++cancelled;
    EXPECT_EQ(sequences[0]->position(), 0);
    EXPECT_EQ(sequences[1]->position(), 0);
    EXPECT_EQ(sequences[2]->position(), 2);
    EXPECT_EQ(sequences[3]->position(), 2);
    EXPECT_EQ(feed(*model, *sequences[3], {9}), expected);
    // The cancelled ones are as new.
    const Logits first = feed(*model, *sequences[0], {4, 5});
    sequences[0]->reset();
    EXPECT_EQ(feed(*model, *sequences[0], {4, 5}), first);
    EXPECT_EQ(feed(*model, *sequences[1], {4, 5}), first);
  }
  EXPECT_GE(cancelled, 6);
}

TEST_P(Cancel, BeforeOrDuringALoadEndsIt) {
  const std::string path = write(GetParam().file());
  LoadOptions options = one_thread();
  options.cancel.cancel();
  expect_error(ErrorCode::kCancelled, "cancelled", [&] { load_path(path, options); });
  for (const float when : {0.0f, 0.4f, 1.0f}) {
    LoadOptions later = one_thread();
    int after = 0;
    later.progress = [&](float part) {
      if (later.cancel.cancelled()) ++after;
      if (part >= std::min(when, 0.94f)) later.cancel.cancel();
    };
    expect_error(ErrorCode::kCancelled, "cancelled", [&] { load_path(path, later); });
    EXPECT_EQ(after, 0);
  }
}

FOR_ALL_BACKENDS(Cancel);

}  // namespace
}  // namespace rwkv::test
