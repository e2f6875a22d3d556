// Prompts in, answers out: on a scripted model for the rules, on the shipped one for the numbers.
#include "runtime/language_model.h"

#include <gtest/gtest.h>

#include <chrono>
#include <functional>
#include <nlohmann/json.hpp>
#include <thread>

#include "support/scratch.h"

namespace rwkv {
namespace {

using test::ScratchFolder;
using Clock = std::chrono::steady_clock;

class ScriptedLanguageModel : public ::testing::Test {
 protected:
  std::unique_ptr<LanguageModel> load(const std::string& script, int max_sequences = 4) {
    const auto path = scratch_.path() / "model.json";
    test::write_file(path, script);
    ModelRequest request;
    request.model_path = path;
    request.options.max_sequences = max_sequences;
    return LanguageModel::load(request);
  }

  static Prompt ask(const LanguageModel& model, std::vector<std::string> contents) {
    return model.chat_prompt({}, alternate_roles(contents), contents.size() % 2 == 1, false);
  }

  ScratchFolder scratch_;
};

constexpr const char* kWeather =
    R"({"rwkv_script": 1, "replies": [{"when": "weather", "say": "Sunny, 20 °C."}, {"say": "I only know the weather."}]})";

TEST_F(ScriptedLanguageModel, AnswersAndEndsWithOneReason) {
  const auto model = load(kWeather);
  const GenerationResult result = model->generate(ask(*model, {"How is the weather?"}), {}, {}, CancelToken());
  EXPECT_EQ(result.text, "Sunny, 20 °C.");
  EXPECT_EQ(result.reason, EndReason::kEos);
  EXPECT_FALSE(result.error);
}

TEST_F(ScriptedLanguageModel, TheNextTurnEvaluatesOnlyItsNewTokens) {
  const auto model = load(kWeather);
  const GenerationResult first = model->generate(ask(*model, {"Hi"}), {}, {}, CancelToken());
  const Prompt second = ask(*model, {"Hi", first.text, "weather"});
  const GenerationResult result = model->generate(second, {}, {}, CancelToken());
  EXPECT_EQ(result.text, "Sunny, 20 °C.");
  // New: "User: weather", the blank line and "Assistant:".
  EXPECT_EQ(result.prompt_tokens - result.cached_tokens, 13 + 1 + 10);
}

TEST_F(ScriptedLanguageModel, AskingAgainEvaluatesOneToken) {
  const auto model = load(kWeather);
  model->generate(ask(*model, {"weather"}), {}, {}, CancelToken());
  const GenerationResult again = model->generate(ask(*model, {"weather"}), {}, {}, CancelToken());
  EXPECT_EQ(again.prompt_tokens - again.cached_tokens, 1);
  EXPECT_EQ(again.text, "Sunny, 20 °C.");
}

TEST_F(ScriptedLanguageModel, WithoutTheCacheEverythingIsEvaluated) {
  const auto model = load(kWeather);
  GenerationOptions options;
  options.use_cache = false;
  model->generate(ask(*model, {"weather"}), {}, {}, CancelToken());
  EXPECT_EQ(model->generate(ask(*model, {"weather"}), options, {}, CancelToken()).cached_tokens, 0);
}

TEST_F(ScriptedLanguageModel, AResumedAnswerGoesOnWhereItStopped) {
  const auto model = load(kWeather);
  const GenerationResult result = model->generate(ask(*model, {"weather", "Sunny,"}), {}, {}, CancelToken());
  EXPECT_EQ(result.text, "Sunny, 20 °C.");
}

TEST_F(ScriptedLanguageModel, ZeroTokensOnlyPrepareTheNextRun) {
  const auto model = load(kWeather);
  GenerationOptions options;
  options.max_tokens = 0;
  const GenerationResult prepared = model->generate(ask(*model, {"weather"}), options, {}, CancelToken());
  EXPECT_EQ(prepared.text, "");
  EXPECT_EQ(prepared.reason, EndReason::kLength);
  const GenerationResult result = model->generate(ask(*model, {"weather"}), {}, {}, CancelToken());
  EXPECT_EQ(result.prompt_tokens - result.cached_tokens, 1);
}

TEST_F(ScriptedLanguageModel, EveryTaskOfABatchAnswersAsItDoesAlone) {
  const auto model = load(kWeather, 4);
  std::vector<GenerationTask> tasks;
  for (int i = 0; i < 11; ++i) {  // more than there are sequences
    tasks.push_back({ask(*model, {i % 2 == 0 ? "weather " + std::to_string(i) : "hello"}), {}});
  }
  const std::vector<GenerationResult> results = model->generate(std::move(tasks), {}, CancelToken());
  ASSERT_EQ(results.size(), 11u);
  for (std::size_t i = 0; i < results.size(); ++i) {
    EXPECT_EQ(results[i].text, i % 2 == 0 ? "Sunny, 20 °C." : "I only know the weather.") << i;
    EXPECT_EQ(results[i].reason, EndReason::kEos);
  }
}

TEST_F(ScriptedLanguageModel, ACommonPrefixIsEvaluatedOnce) {
  const auto model = load(kWeather, 4);
  const std::string common(300, 'x');
  std::vector<GenerationTask> tasks;
  for (int i = 0; i < 4; ++i) tasks.push_back({ask(*model, {common + " weather " + std::to_string(i)}), {}});
  const std::vector<GenerationResult> results = model->generate(std::move(tasks), {}, CancelToken());
  EXPECT_EQ(results[0].cached_tokens, 0);
  for (std::size_t i = 1; i < 4; ++i) EXPECT_GE(results[i].cached_tokens, 300);
}

TEST_F(ScriptedLanguageModel, CallbacksSeeGrowingTextAndOneEnd) {
  const auto model = load(kWeather);
  std::string before;
  int ends = 0;
  GenerationCallbacks callbacks;
  callbacks.on_token = [&](std::size_t, const Generation& generation) {
    EXPECT_EQ(ends, 0) << "a token after the end";
    EXPECT_TRUE(generation.text().starts_with(before));
    before = generation.text();
    ends += generation.ended() ? 1 : 0;
  };
  std::vector<std::uint64_t> progress;
  callbacks.on_prefill = [&](std::uint64_t done, std::uint64_t total) {
    EXPECT_LE(done, total);
    progress.push_back(done);
  };
  const GenerationResult result = model->generate(ask(*model, {"weather"}), {}, callbacks, CancelToken());
  EXPECT_EQ(ends, 1);
  EXPECT_EQ(before, result.text);
  EXPECT_TRUE(std::is_sorted(progress.begin(), progress.end()));
  EXPECT_EQ(progress.back(), static_cast<std::uint64_t>(result.prompt_tokens));
}

TEST_F(ScriptedLanguageModel, AFailingBackendEndsWithErrorAndTheModelStaysUsable) {
  const auto model =
      load(R"({"rwkv_script": 1, "fail_after": 40, "replies": [{"say": "A long enough answer to fail."}]})");
  const GenerationResult failed = model->generate(ask(*model, {"Please fail now"}), {}, {}, CancelToken());
  EXPECT_EQ(failed.reason, EndReason::kError);
  ASSERT_TRUE(failed.error);
  EXPECT_EQ(failed.error->code(), ErrorCode::kEvaluation);
  GenerationOptions options;
  options.max_tokens = 4;  // the space after the role is one
  EXPECT_EQ(model->generate(ask(*model, {"Hi"}), options, {}, CancelToken()).text, "A l");
}

TEST_F(ScriptedLanguageModel, AFailedOrCancelledPrefillIsNoSuccess) {
  const auto model = load(R"({"rwkv_script": 1, "fail_after": 10})");
  GenerationOptions options;
  options.max_tokens = 0;
  EXPECT_EQ(model->generate(ask(*model, {"A longer text"}), options, {}, CancelToken()).reason, EndReason::kError);
  const CancelToken cancelled;
  cancelled.cancel();
  EXPECT_EQ(model->generate(ask(*model, {"A longer text"}), options, {}, cancelled).reason, EndReason::kCancelled);
}

class Cancel : public ScriptedLanguageModel {
 protected:
  // Cancels after `delay` and returns how long the run went on after that.
  std::chrono::duration<double> reaction(LanguageModel& model, Prompt prompt, std::chrono::milliseconds delay,
                                         GenerationResult& result) {
    const CancelToken cancel;
    Clock::time_point cancelled;
    std::thread other([&] {
      std::this_thread::sleep_for(delay);
      cancelled = Clock::now();
      cancel.cancel();
    });
    GenerationOptions options;
    options.max_tokens = 100000;
    result = model.generate(std::move(prompt), options, {}, cancel);
    const Clock::time_point ended = Clock::now();
    other.join();
    return ended - cancelled;
  }
};

constexpr double kReactionSeconds = 0.05;

TEST_F(Cancel, TakesEffectInPrefill) {
  const auto model = load(R"({"rwkv_script": 1, "prefill_us": 1000, "replies": [{"say": "x"}]})");
  GenerationResult result;
  EXPECT_LT(reaction(*model, ask(*model, {std::string(5000, 'x')}), std::chrono::milliseconds(60), result).count(),
            kReactionSeconds);
  EXPECT_EQ(result.reason, EndReason::kCancelled);
}

TEST_F(Cancel, TakesEffectInDecodeAndKeepsTheText) {
  const auto model =
      load(R"({"rwkv_script": 1, "decode_us": 10000, "replies": [{"say": ")" + std::string(5000, 'y') + R"("}]})");
  GenerationResult result;
  EXPECT_LT(reaction(*model, ask(*model, {"Hi"}), std::chrono::milliseconds(100), result).count(), kReactionSeconds);
  EXPECT_EQ(result.reason, EndReason::kCancelled);
  EXPECT_FALSE(result.text.empty());
}

TEST_F(Cancel, TakesEffectWhileLoading) {
  const auto path = scratch_.path() / "slow.json";
  test::write_file(path, R"({"rwkv_script": 1, "load_ms": 5000})");
  ModelRequest request;
  request.model_path = path;
  std::thread other([token = request.options.cancel] {
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
    token.cancel();
  });
  const Clock::time_point start = Clock::now();
  try {
    LanguageModel::load(request);
    ADD_FAILURE() << "loaded";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kCancelled);
  }
  EXPECT_LT(std::chrono::duration<double>(Clock::now() - start).count(), 0.05 + kReactionSeconds);
  other.join();
}

TEST_F(ScriptedLanguageModel, EndOfTextStandsForTokenZeroOnlyInTheHostsWords) {
  const auto model = load(kWeather);
  EXPECT_EQ(model->completion_prompt("<EOD>ab").tokens, (Tokens{0, 'a' + 1, 'b' + 1}));
  ChatFormat format;
  format.prompt = "<EOD>";
  const Prompt prompt = model->chat_prompt(format, alternate_roles(std::vector<std::string>{"<EOD>"}), true, false);
  EXPECT_EQ(std::count(prompt.tokens.begin(), prompt.tokens.end(), kEndOfText), 1);
  EXPECT_EQ(prompt.tokens.front(), kEndOfText);
}

TEST_F(ScriptedLanguageModel, EmptyPromptsAreTokenZeroAndEmptyChatsAreRefused) {
  const auto model = load(kWeather);
  EXPECT_EQ(model->completion_prompt("").tokens, (Tokens{0}));
  EXPECT_THROW(model->chat_prompt({}, {}, true, false), Error);
}

// The shipped model.

std::unique_ptr<LanguageModel> shipped(int max_sequences = 4) {
  ModelRequest request;
  request.model_path = test::kModel;
  request.options.max_sequences = max_sequences;
  return LanguageModel::load(request);
}

GenerationOptions greedy(int max_tokens = 60) {
  GenerationOptions options;
  options.sampler.top_k = 1;
  options.penalties = {0, 0, 0};
  options.max_tokens = max_tokens;
  return options;
}

Prompt question(const LanguageModel& model, std::vector<std::string> contents) {
  return model.chat_prompt({}, alternate_roles(contents), contents.size() % 2 == 1, false);
}

// Files that tools/reference wrote, with a forward pass of its own in double precision.
using Read = std::function<std::vector<float>(LanguageModel&, const Tokens&)>;

void expect_reference_logits(LanguageModel& model, const std::string& file, std::size_t shortest, int at_least,
                             const Read& read) {
  const auto fixtures = nlohmann::json::parse(test::read_file(std::string(RWKV_SOURCE_DIR) + "/tests/data/" + file));
  int compared = 0;
  for (const auto& fixture : fixtures) {
    if (!fixture.contains("logits")) continue;
    const Tokens tokens = fixture.at("tokens").get<Tokens>();
    if (tokens.size() < shortest) continue;
    const auto expected = fixture.at("logits").get<std::vector<float>>();
    const std::vector<float> logits = read(model, tokens);
    ASSERT_EQ(logits.size(), expected.size());
    for (std::size_t i = 0; i < logits.size(); ++i) ASSERT_NEAR(logits[i], expected[i], 1e-3f) << fixture.at("name");
    ++compared;
  }
  EXPECT_GE(compared, at_least);
}

std::vector<float> at_once(LanguageModel& model, const Tokens& tokens) { return model.logits(tokens, CancelToken()); }

// Each piece with the state after the one before. What the state stands for is overwritten, so that only the state can
// know it.
std::vector<float> in_pieces(LanguageModel& model, const Tokens& tokens) {
  State state;
  std::vector<float> logits;
  Tokens read;
  for (std::size_t size = 1; read.size() < tokens.size(); size = size * 2 + 1) {
    const std::size_t end = std::min(tokens.size(), read.size() + size);
    std::fill_n(read.begin(), static_cast<std::size_t>(state.position()), kEndOfText);
    read.insert(read.end(), tokens.begin() + static_cast<std::ptrdiff_t>(read.size()),
                tokens.begin() + static_cast<std::ptrdiff_t>(end));
    logits = model.logits(read, state, CancelToken());
    EXPECT_EQ(state.position(), static_cast<std::int64_t>(end) - 1);
  }
  return logits;
}

std::unique_ptr<LanguageModel> rwkv6() {
  ModelRequest request;
  request.model_path = std::string(RWKV_SOURCE_DIR) + "/tests/data/rwkv6/model.gguf";
  return LanguageModel::load(request);
}

TEST(ShippedModel, LogitsEqualTheReferenceForSingleTokensAndLongPrompts) {
  expect_reference_logits(*shipped(), "tiny/logits.json", 1, 11, at_once);
}

TEST(ShippedModel, LogitsOfATextFedInPiecesEqualTheReference) {
  expect_reference_logits(*shipped(), "tiny/logits.json", 3, 7, in_pieces);
}

TEST(Rwkv6Model, LogitsEqualTheReferenceForSingleTokensAndLongPrompts) {
  const auto model = rwkv6();
  EXPECT_EQ(model->info().architecture, "rwkv6");
  expect_reference_logits(*model, "rwkv6/logits.json", 1, 7, at_once);
}

TEST(Rwkv6Model, LogitsOfATextFedInPiecesEqualTheReference) {
  expect_reference_logits(*rwkv6(), "rwkv6/logits.json", 2, 4, in_pieces);
}

TEST(ShippedModel, GreedyContinuationEqualsTheReference) {
  const auto model = shipped();
  const auto fixtures =
      nlohmann::json::parse(test::read_file(std::string(RWKV_SOURCE_DIR) + "/tests/data/tiny/logits.json"));
  int compared = 0;
  for (const auto& fixture : fixtures) {
    if (!fixture.contains("greedy_tokens")) continue;
    Prompt prompt;
    prompt.chat = false;
    prompt.tokens = fixture.at("prompt_tokens").get<Tokens>();
    const Tokens expected = fixture.at("greedy_tokens").get<Tokens>();
    const GenerationResult result =
        model->generate(prompt, greedy(static_cast<int>(expected.size())), {}, CancelToken());
    EXPECT_EQ(result.tokens, expected);
    ++compared;
  }
  EXPECT_GE(compared, 1);
}

TEST(ShippedModel, AnswersAreTheSameWithTheCacheAndWithout) {
  const auto model = shipped();
  GenerationOptions uncached = greedy();
  uncached.use_cache = false;
  const std::vector<std::string> talk{"My name is Mira.", "Nice to meet you, Mira.", "What is 20 + 31?", "51",
                                      "What is my name?"};
  for (std::size_t turns = 1; turns <= talk.size(); turns += 2) {
    const std::vector<std::string> contents(talk.begin(), talk.begin() + static_cast<std::ptrdiff_t>(turns));
    const GenerationResult with = model->generate(question(*model, contents), greedy(), {}, CancelToken());
    const GenerationResult without = model->generate(question(*model, contents), uncached, {}, CancelToken());
    EXPECT_EQ(with.text, without.text);
    EXPECT_EQ(without.cached_tokens, 0);
    EXPECT_EQ(with.cached_tokens > 0, turns > 1);
  }
}

TEST(ShippedModel, StopAndResumeGiveTheUninterruptedAnswer) {
  const auto model = shipped();
  const Prompt whole =
      model->chat_prompt({}, alternate_roles(std::vector<std::string>{"What is 64 + 29?"}), true, true);
  GenerationOptions options = greedy();
  options.reasoning = true;
  const std::string expected = model->generate(whole, options, {}, CancelToken()).text;
  options.max_tokens = 6;
  const GenerationResult half = model->generate(whole, options, {}, CancelToken());
  ASSERT_EQ(half.reason, EndReason::kLength);
  options.max_tokens = 60;
  const Prompt rest =
      model->chat_prompt({}, alternate_roles(std::vector<std::string>{"What is 64 + 29?", half.text}), false, true);
  EXPECT_EQ(model->generate(rest, options, {}, CancelToken()).text, expected);
}

TEST(ShippedModel, ABatchOfGreedyAnswersEqualsEachAlone) {
  const auto model = shipped(4);
  const std::vector<std::string> questions{"What is 47 + 38?",
                                           "Reverse the letters of planet.",
                                           "Sort the letters of zebra.",
                                           "What is the capital of Peru?",
                                           "How many letters are in abcde?",
                                           "What is 90 - 45?"};
  std::vector<GenerationTask> tasks;
  for (const std::string& text : questions) tasks.push_back({question(*model, {text}), greedy()});
  const std::vector<GenerationResult> together = model->generate(std::move(tasks), {}, CancelToken());
  GenerationOptions alone = greedy();
  alone.use_cache = false;
  for (std::size_t i = 0; i < questions.size(); ++i) {
    EXPECT_EQ(together[i].text, model->generate(question(*model, {questions[i]}), alone, {}, CancelToken()).text);
  }
}

TEST(ShippedModel, SameSeedGivesTheSameTextAndAnotherPromptAnotherText) {
  const auto model = shipped();
  GenerationOptions options;
  options.sampler.top_p = 1.0f;
  options.max_tokens = 30;
  options.seed = 42;
  const auto text = [&](const char* prompt) {
    return model->generate(model->completion_prompt(prompt), options, {}, CancelToken()).text;
  };
  const std::string first = text("User: What");
  EXPECT_EQ(first, text("User: What"));
  EXPECT_NE(first, text("Assistant: The"));
}

}  // namespace
}  // namespace rwkv
