// Cancel, progress and exceptions of the caller's, in the middle of llama.cpp.
#include <gtest/gtest.h>

#include <chrono>
#include <stdexcept>
#include <thread>

#include "support/tiny_model.h"

namespace rwkv::test {
namespace {

using Clock = std::chrono::steady_clock;

// Raises the flag after a while, from another thread.
class Later {
 public:
  Later(const CancelToken& cancel, std::chrono::microseconds delay)
      : thread_([cancel, delay] {
          std::this_thread::sleep_for(delay);
          cancel.cancel();
        }) {}
  ~Later() { thread_.join(); }

 private:
  std::thread thread_;
};

bool is_cancelled(Model& model, std::vector<EvalItem>& items, const CancelToken& cancel) {
  try {
    model.evaluate(items, cancel);
    return false;
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kCancelled) << error.what();
    return true;
  }
}

TEST(Cancel, BeforeTheFirstTokenChangesNothing) {
  const auto model = load_tiny(shape_of(7));
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

TEST(Cancel, InTheMiddleResetsTheCancelledSequencesAndNoOther) {
  for (const int version : {7, 6}) {
    const auto model = load_tiny(shape_of(version), kF32, 1, one_thread(4));
    std::vector<std::unique_ptr<Sequence>> sequences;
    for (int i = 0; i < 4; ++i) sequences.push_back(model->create_sequence());
    for (const std::size_t i : {3u, 2u}) feed(*model, *sequences[i], {static_cast<TokenId>(i), 5});
    const State bystander = sequences[3]->save();
    const Logits expected = feed(*model, *sequences[3], {9});
    const Tokens tokens = random_tokens(20'000, 64, 1);
    const std::span<const TokenId> all(tokens);
    int cancelled = 0;
    for (int round = 0; round < 12; ++round) {
      // Woken in another order than they were made, which is the one in which llama.cpp would hand out its cells: the
      // bystander would stand between the two, and be moved while they run.
      for (const std::size_t i : {0u, 1u, 3u}) sequences[i]->reset();
      feed(*model, *sequences[0], {1});
      sequences[3]->restore(bystander);
      feed(*model, *sequences[1], {1});
      std::vector<EvalItem> items{{.sequence = sequences[0].get(), .tokens = all.first(250)},
                                  {.sequence = sequences[1].get(), .tokens = all}};
      const CancelToken cancel;
      {
        const Later later(cancel, std::chrono::microseconds(700 * (round + 1)));
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
}

TEST(Cancel, TakesEffectWithin50MillisecondsInALongPrompt) {
  const auto model = load_tiny(shape_of(7));
  const auto sequence = model->create_sequence();
  const Tokens tokens = random_tokens(200'000, 64, 1);
  Clock::duration best = std::chrono::hours(1);
  for (int round = 0; round < 5; ++round) {  // the best of some: a busy machine may not let us run at once
    const CancelToken cancel;
    Clock::time_point raised;
    std::thread later([&] {
      std::this_thread::sleep_for(std::chrono::milliseconds(20));
      raised = Clock::now();
      cancel.cancel();
    });
    std::vector<EvalItem> items{{.sequence = sequence.get(), .tokens = tokens}};
    EXPECT_TRUE(is_cancelled(*model, items, cancel));
    const auto end = Clock::now();
    later.join();
    best = std::min(best, end - raised);
  }
  EXPECT_LT(best, std::chrono::milliseconds(50));
}

TEST(Load, ProgressGrowsFrom0To1) {
  LoadOptions options = one_thread();
  std::vector<float> parts;
  options.progress = [&](float part) { parts.push_back(part); };
  load_tiny(shape_of(7), kF32, 1, options);
  ASSERT_GE(parts.size(), 3u);
  EXPECT_TRUE(std::is_sorted(parts.begin(), parts.end()));
  EXPECT_GE(parts.front(), 0);
  EXPECT_LT(parts.front(), 1);
  EXPECT_EQ(parts.back(), 1);
  EXPECT_EQ(std::count(parts.begin(), parts.end(), 1.0f), 1);
}

TEST(Load, CancelBeforeOrDuringItEndsIt) {
  LoadOptions options = one_thread();
  options.cancel.cancel();
  expect_error(ErrorCode::kCancelled, "cancelled", [&] { load_tiny(shape_of(7), kF32, 1, options); });
  for (const float when : {0.0f, 0.5f, 1.0f}) {
    LoadOptions later = one_thread();
    int after = 0;
    later.progress = [&](float part) {
      if (later.cancel.cancelled()) ++after;
      if (part >= std::min(when, 0.99f)) later.cancel.cancel();
    };
    expect_error(ErrorCode::kCancelled, "cancelled", [&] { load_tiny(shape_of(7), kF32, 1, later); });
    EXPECT_EQ(after, 0);
  }
}

TEST(Load, ExceptionOfTheProgressCallbackComesOutAsItIs) {
  struct Own {
    int value;
  };
  for (const float when : {0.0f, 0.5f, 1.0f}) {
    LoadOptions options = one_thread();
    options.progress = [&](float part) {
      if (part >= when) throw Own{42};
    };
    try {
      load_tiny(shape_of(7), kF32, 1, options);
      FAIL() << "loaded";
    } catch (const Own& own) {
      EXPECT_EQ(own.value, 42);
    }
    options.progress = [](float) { throw std::logic_error("the host's own"); };
    EXPECT_THROW(load_tiny(shape_of(7), kF32, 1, options), std::logic_error);
  }
}

TEST(Load, OptionsOutOfRangeAreRefused) {
  for (const int sequences : {0, -1, 17}) {
    expect_error(ErrorCode::kInvalidArgument, "number of sequences",
                 [&] { load_tiny(shape_of(7), kF32, 1, one_thread(sequences)); });
  }
  LoadOptions options;
  options.threads = 100'000;
  expect_error(ErrorCode::kInvalidArgument, "number of threads", [&] { load_tiny(shape_of(7), kF32, 1, options); });
}

}  // namespace
}  // namespace rwkv::test
