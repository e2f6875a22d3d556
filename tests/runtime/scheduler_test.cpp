// Generations from several threads on one model: together, each as it is alone, none waiting long for another.
#include "runtime/scheduler.h"

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <future>
#include <thread>
#include <utility>

#include "runtime/language_model.h"
#include "support/scratch.h"

namespace rwkv {
namespace {

using std::chrono::milliseconds;
using test::ScratchFolder;

std::string repeated(const std::string& text, int times) {
  std::string all;
  for (int i = 0; i < times; ++i) all += text;
  return all;
}

class Together : public ::testing::Test {
 protected:
  std::unique_ptr<LanguageModel> load(const std::string& fields, int max_sequences = 4) {
    const auto path = scratch_.path() / "model.json";
    test::write_file(path, R"({"rwkv_script": 1, )" + fields + "}");
    ModelRequest request;
    request.model_path = path;
    request.options.max_sequences = max_sequences;
    return LanguageModel::load(request);
  }

  static GenerationTask ask(const LanguageModel& model, const std::string& text) {
    return {model.chat_prompt({}, alternate_roles(std::vector<std::string>{text}), true, false), {}};
  }

  // Starts it; the result comes later.
  static std::future<GenerationResult> start(LanguageModel& model, GenerationTask task,
                                             GenerationCallbacks callbacks = {}, const CancelToken& cancel = {}) {
    const auto ended = std::make_shared<std::promise<GenerationResult>>();
    std::vector<GenerationTask> tasks;
    tasks.push_back(std::move(task));
    model.submit(std::move(tasks), std::move(callbacks), cancel,
                 [ended](std::vector<GenerationResult> results) { ended->set_value(std::move(results.front())); });
    return ended->get_future();
  }

  ScratchFolder scratch_;
};

TEST_F(Together, MoreThanThereAreSequencesWaitAndAreAllAnswered) {
  const auto model = load(R"("decode_us": 200, "replies": [{"say": "an answer"}])", 3);
  std::vector<std::future<GenerationResult>> results;
  for (int i = 0; i < 40; ++i) results.push_back(start(*model, ask(*model, "question " + std::to_string(i))));
  EXPECT_LE(model->activity().running, 3u);
  for (auto& result : results) EXPECT_EQ(result.get().text, "an answer");
  model->wait_until_settled();
  EXPECT_EQ(model->activity().running + model->activity().waiting, 0u);
}

TEST_F(Together, OneThatEndsMakesRoomAtOnce) {
  const auto model = load(
      R"("decode_us": 2000, "replies": [{"when": "long", "say": ")" + repeated("y", 400) + R"("}, {"say": "short"}])",
      2);
  auto long_one = start(*model, ask(*model, "long"));
  // All of these go through the other sequence while the long one runs.
  for (int i = 0; i < 8; ++i) EXPECT_EQ(start(*model, ask(*model, "quick")).get().text, "short");
  EXPECT_EQ(long_one.wait_for(milliseconds(0)), std::future_status::timeout);
  EXPECT_EQ(long_one.get().text, repeated("y", 400));
}

TEST_F(Together, ATaskOfARunHasACancelOfItsOwn) {
  const auto model = load(R"("decode_us": 2000, "replies": [{"say": ")" + repeated("z", 50) + "\"}]");
  std::vector<GenerationTask> tasks{ask(*model, "a"), ask(*model, "b"), ask(*model, "c")};
  tasks[1].cancel = CancelToken();
  GenerationCallbacks callbacks;
  callbacks.on_token = [cancel = *tasks[1].cancel](std::size_t index, const Generation& generation) {
    if (index == 1 && generation.tokens().size() == 5) cancel.cancel();
  };
  const auto results = model->generate(std::move(tasks), callbacks, CancelToken());
  EXPECT_EQ(results[0].text, repeated("z", 50));
  EXPECT_EQ(results[1].reason, EndReason::kCancelled);
  EXPECT_EQ(results[2].text, repeated("z", 50));
}

TEST_F(Together, WhatTheyBeginWithIsReadOnce) {
  const auto model = load(R"("prefill_us": 200, "replies": [{"say": "ok"}])", 9);
  const std::string common = repeated("c", 600);
  // Separate calls, at the same time: the model's thread is held until all of them are there.
  std::promise<void> is_held;
  std::promise<void> all_are_there;
  GenerationCallbacks hold;
  hold.on_token = [&is_held, gate = all_are_there.get_future().share(), first = true](std::size_t,
                                                                                      const Generation&) mutable {
    if (std::exchange(first, false)) is_held.set_value();
    gate.wait();
  };
  auto holder = start(*model, ask(*model, "hold"), std::move(hold));
  is_held.get_future().wait();
  std::vector<std::future<GenerationResult>> results;
  for (int i = 0; i < 8; ++i) results.push_back(start(*model, ask(*model, common + " question " + std::to_string(i))));
  all_are_there.set_value();
  EXPECT_EQ(holder.get().text, "ok");
  int read = 0;
  int cached = 0;
  for (auto& future : results) {
    const GenerationResult result = future.get();
    EXPECT_EQ(result.text, "ok");
    read += result.prompt_tokens - result.cached_tokens;
    cached += result.cached_tokens;
  }
  EXPECT_LT(read, 600 + 8 * 50);
  EXPECT_GT(cached, 7 * 600);
}

TEST_F(Together, AFollowerReadsForItselfWhenTheOneItFollowedIsCancelled) {
  const auto model = load(R"("prefill_us": 500, "replies": [{"say": "ok"}])");
  const std::string common = repeated("c", 800);
  const CancelToken cancel;
  auto leader = start(*model, ask(*model, common + " leader"), {}, cancel);
  auto follower = start(*model, ask(*model, common + " follower"));
  auto second = start(*model, ask(*model, common + " second"));
  std::this_thread::sleep_for(milliseconds(100));
  cancel.cancel();
  EXPECT_EQ(leader.get().reason, EndReason::kCancelled);
  EXPECT_EQ(follower.get().text, "ok");
  EXPECT_EQ(second.get().text, "ok");
}

TEST_F(Together, AFailureInReadingIsNotTheNeighbours) {
  const auto model = load(R"("fail_after": 200, "decode_us": 1000, "replies": [{"say": "a short answer"}])");
  auto good = start(*model, ask(*model, "hello"));
  const GenerationResult bad = start(*model, ask(*model, repeated("b", 300))).get();
  EXPECT_EQ(bad.reason, EndReason::kError);
  ASSERT_TRUE(bad.error);
  EXPECT_EQ(good.get().text, "a short answer");
}

TEST_F(Together, EvaluationAndLogitsRunBesideAnAnswer) {
  const auto model = load(R"("decode_us": 5000, "replies": [{"say": ")" + repeated("s", 200) + "\"}]");
  auto stream = start(*model, ask(*model, "go"));
  std::this_thread::sleep_for(milliseconds(50));
  const Score score = model->score("User: hello", "xyz", CancelToken());
  EXPECT_LT(score.log_probability, 0);
  EXPECT_EQ(model->logits(Tokens{1, 2, 3}, CancelToken()).size(), 258u);
  EXPECT_EQ(stream.wait_for(milliseconds(0)), std::future_status::timeout);
  EXPECT_EQ(stream.get().text, repeated("s", 200));
}

TEST_F(Together, ACallbackThatWaitsForItsOwnModelIsRefusedInsteadOfHanging) {
  const auto model = load(R"("replies": [{"say": "ok"}])");
  ErrorCode code = ErrorCode::kInternal;
  GenerationCallbacks callbacks;
  callbacks.on_token = [&](std::size_t, const Generation&) {
    try {
      model->logits(Tokens{1}, CancelToken());
    } catch (const Error& error) {
      code = error.code();
    }
  };
  EXPECT_EQ(start(*model, ask(*model, "go"), callbacks).get().text, "ok");
  EXPECT_EQ(code, ErrorCode::kBusy);
}

TEST_F(Together, ACallbackThatThrowsEndsItsOwnTaskAlone) {
  const auto model = load(R"("decode_us": 1000, "replies": [{"say": "twelve bytes"}])");
  GenerationCallbacks callbacks;
  callbacks.on_token = [](std::size_t, const Generation& generation) {
    if (generation.tokens().size() == 3) throw std::runtime_error("no more");
  };
  auto failing = start(*model, ask(*model, "a"), callbacks);
  auto other = start(*model, ask(*model, "b"));
  const GenerationResult failed = failing.get();
  EXPECT_EQ(failed.reason, EndReason::kError);
  EXPECT_EQ(other.get().text, "twelve bytes");
}

TEST_F(Together, TheModelGoesWithEverythingThatRunsAndEachEndsOnce) {
  std::atomic<int> ends{0};
  {
    const auto model =
        load(R"("decode_us": 5000, "prefill_us": 500, "replies": [{"say": ")" + repeated("s", 300) + "\"}]", 2);
    for (int i = 0; i < 6; ++i) {
      std::vector<GenerationTask> tasks;
      tasks.push_back(ask(*model, repeated("w", 100 * i)));
      model->submit(std::move(tasks), {}, {}, [&](const std::vector<GenerationResult>& results) {
        EXPECT_EQ(results.front().reason, EndReason::kCancelled);
        ++ends;
      });
    }
    std::this_thread::sleep_for(milliseconds(100));
  }
  EXPECT_EQ(ends, 6);
}

}  // namespace
}  // namespace rwkv
