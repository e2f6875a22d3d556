// A model without its weights: nothing is lost but time.
#include <gtest/gtest.h>

#include <chrono>
#include <filesystem>
#include <future>
#include <thread>

#include "runtime/language_model.h"
#include "support/scratch.h"

namespace rwkv {
namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

class Asleep : public ::testing::Test {
 protected:
  std::filesystem::path write_script(const std::string& fields) {
    const auto path = scratch_.path() / "model.json";
    test::write_file(path, R"({"rwkv_script": 1, )" + fields + "}");
    return path;
  }

  static std::unique_ptr<LanguageModel> load(const std::filesystem::path& path) {
    ModelRequest request;
    request.model_path = path;
    return LanguageModel::load(request);
  }

  std::unique_ptr<LanguageModel> load_script(const std::string& fields) { return load(write_script(fields)); }

  static GenerationResult ask(LanguageModel& model, const std::vector<std::string>& messages,
                              const CancelToken& cancel = {}) {
    GenerationOptions options;
    options.sampler.top_k = 1;
    options.penalties = {0, 0, 0};
    return model.generate(model.chat_prompt({}, alternate_roles(messages), true, false), options, {}, cancel);
  }

  static bool is_mapped(const std::filesystem::path& path) {
    return test::read_file("/proc/self/maps").find(path.string()) != std::string::npos;
  }

  test::ScratchFolder scratch_;
};

TEST_F(Asleep, AConversationGoesOnWithTheSameWords) {
  const auto always_awake = load(test::kModel);
  const auto sleeper = load(test::kModel);
  std::vector<std::string> messages;
  for (const char* question : {"What is 47+38?", "What is 64+29?", "What is 12+7?"}) {
    messages.emplace_back(question);
    const std::string expected = ask(*always_awake, messages).text;
    EXPECT_EQ(ask(*sleeper, messages).text, expected);
    EXPECT_TRUE(sleeper->sleep());
    sleeper->cache().shrink_to(0);
    EXPECT_TRUE(sleeper->memory_use().asleep);
    messages.push_back(expected);
  }
  EXPECT_EQ(messages[1], "85");
}

TEST_F(Asleep, TheWeightsAreGone) {
  const auto copy = scratch_.path() / "model.gguf";
  std::filesystem::copy_file(test::kModel, copy);
  const auto model = load(copy);
  EXPECT_TRUE(is_mapped(copy));
  EXPECT_TRUE(model->sleep());
  EXPECT_TRUE(model->sleep());
  EXPECT_FALSE(is_mapped(copy));
  EXPECT_EQ(model->memory_use().model.total(), 0u);
  EXPECT_EQ(ask(*model, {"What is 47+38?"}).text, "85");
  EXPECT_TRUE(is_mapped(copy));
  EXPECT_FALSE(model->memory_use().asleep);
}

TEST_F(Asleep, TokenizerSettingsAndPinnedStatesStay) {
  const auto model = load(test::kModel);
  const Prompt prompt =
      model->chat_prompt({}, alternate_roles(std::vector<std::string>{"What is 47+38?"}), true, false);
  const std::span<const TokenId> beginning = std::span(prompt.tokens).first(8);
  const State state = model->state_after(beginning, CancelToken());
  model->cache().shrink_to(0);
  model->cache().pin(beginning, state);
  EXPECT_TRUE(model->sleep());
  model->cache().shrink_to(0);
  EXPECT_EQ(model->memory_use().cache.entries, 1u);
  EXPECT_EQ(model->info().layers, load(test::kModel)->info().layers);
  EXPECT_EQ(model->completion_prompt("What is").tokens, load(test::kModel)->completion_prompt("What is").tokens);
  EXPECT_TRUE(model->memory_use().asleep) << "nothing of that needs weights";
  const GenerationResult answer = ask(*model, {"What is 47+38?"});
  EXPECT_EQ(answer.text, "85");
  EXPECT_EQ(answer.cached_tokens, 8);
}

TEST_F(Asleep, WhoRunsIsNotDisturbed) {
  const auto model = load_script(R"("decode_us": 5000, "replies": [{"say": ")" + std::string(60, 'x') + "\"}]");
  auto running = std::async(std::launch::async, [&] { return ask(*model, {"go"}); });
  while (model->activity().running == 0) std::this_thread::sleep_for(milliseconds(1));
  EXPECT_FALSE(model->sleep());
  EXPECT_EQ(running.get().text, std::string(60, 'x'));
}

TEST_F(Asleep, EveryKindOfQuestionWakes) {
  const auto model = load(test::kModel);
  const Tokens tokens{10, 20, 30, 40, 50, 60, 70, 80};
  const auto logits = model->logits(tokens, CancelToken());
  const State state = model->state_after(tokens, CancelToken());
  const Score score = model->score("What is", " 47", CancelToken());
  model->cache().shrink_to(0);
  EXPECT_TRUE(model->sleep());
  EXPECT_EQ(model->logits(tokens, CancelToken()), logits);
  EXPECT_TRUE(model->sleep());
  EXPECT_EQ(model->score("What is", " 47", CancelToken()).log_probability, score.log_probability);
  EXPECT_TRUE(model->sleep());
  model->remember(tokens, state);
  EXPECT_EQ(model->cache().longest_prefix(tokens).position(), 8);
}

TEST_F(Asleep, WhatGoesWrongIsSaidToWhoAskedAndTheNextMayHaveMoreLuck) {
  const auto model = load_script(R"("replies": [{"say": "yes"}])");
  EXPECT_TRUE(model->sleep());
  std::filesystem::remove(scratch_.path() / "model.json");
  for (int i = 0; i < 2; ++i) {
    const GenerationResult result = ask(*model, {"go"});
    ASSERT_EQ(result.reason, EndReason::kError);
    EXPECT_EQ(result.error->code(), ErrorCode::kNotFound);
  }
  write_script(R"("replies": [{"say": "yes"}])");
  EXPECT_EQ(ask(*model, {"go"}).text, "yes");
}

TEST_F(Asleep, AnotherModelInItsPlaceIsRefused) {
  const auto model = load_script(R"("name": "one", "replies": [{"say": "yes"}])");
  EXPECT_TRUE(model->sleep());
  write_script(R"("name": "another", "replies": [{"say": "no"}])");
  const GenerationResult result = ask(*model, {"go"});
  ASSERT_EQ(result.reason, EndReason::kError);
  EXPECT_EQ(result.error->code(), ErrorCode::kBadFile);
  EXPECT_EQ(model->activity().waiting, 0u);
}

TEST_F(Asleep, ThreadsThatAreSetMeanwhileHold) {
  ModelRequest request;
  request.model_path = test::kModel;
  request.options.threads = 1;
  const auto model = LanguageModel::load(request);
  EXPECT_TRUE(model->sleep());
  EXPECT_THROW(model->set_threads(0), Error);
  model->set_threads(2);
  EXPECT_EQ(ask(*model, {"What is 47+38?"}).text, "85");
  model->wait_until_settled();
  EXPECT_EQ(model->info().threads, 2);
}

TEST_F(Asleep, SleepingAndAskingAtRandomLosesNothing) {
  const auto model = load_script(R"("load_ms": 2, "replies": [{"say": "yes"}])");
  const auto end = Clock::now() + milliseconds(700);
  std::vector<std::future<int>> askers;
  for (int i = 0; i < 3; ++i) {
    askers.push_back(std::async(std::launch::async, [&] {
      int asked = 0;
      for (; Clock::now() < end; ++asked) EXPECT_EQ(ask(*model, {"go"}).text, "yes");
      return asked;
    }));
  }
  while (Clock::now() < end) model->sleep();
  for (auto& asker : askers) EXPECT_GT(asker.get(), 0);
}

}  // namespace
}  // namespace rwkv
