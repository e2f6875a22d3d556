// One answer, driven by scripted logits: no model is needed to prove the rules.
#include "runtime/generation.h"

#include <gtest/gtest.h>

#include "base/error.h"

namespace rwkv {
namespace {

// Tokens 1..256 are the single bytes, then pieces.
constexpr TokenId kBlankLine = 257;
constexpr TokenId kFullStopBlankLine = 258;  // "。\n\n"
constexpr TokenId kOpenTag = 259;            // " <"
constexpr TokenId kRows = 264;               // padding above the vocabulary

TokenId byte(char c) { return static_cast<unsigned char>(c) + 1; }

const Tokenizer& tokenizer() {
  static const Tokenizer instance([] {
    std::string text;
    for (int b = 0; b < 256; ++b) {
      char line[32];
      std::snprintf(line, sizeof line, "%d b'\\x%02x' 1\n", b + 1, b);
      text += line;
    }
    text += "257 '\\n\\n' 2\n258 '。\\n\\n' 5\n259 ' <' 2\n260 'ok' 2\n";
    return Vocabulary::from_text(text, "test");
  }());
  return instance;
}

const OpeningRules& opening() {
  static const OpeningRules rules(tokenizer().vocabulary());
  return rules;
}

Prompt chat_prompt(std::string reply = "") {
  Prompt prompt;
  prompt.tokens = {1};
  prompt.reply = std::move(reply);
  prompt.stops = {"\n\n", "\nUser:", "\nAssistant:"};
  return prompt;
}

GenerationOptions greedy() {
  GenerationOptions options;
  options.sampler.top_k = 1;
  options.penalties = {0, 0, 0};
  return options;
}

// Logits with the wishes in falling order; everything else far below.
std::vector<float> wish(std::initializer_list<TokenId> tokens) {
  std::vector<float> logits(kRows, -20.0f);
  float value = 10.0f;
  for (const TokenId id : tokens) logits[static_cast<std::size_t>(id)] = value--;
  return logits;
}

// Feeds one wish after the other until the answer ends.
void say(Generation& generation, std::string_view text) {
  for (const char c : text) {
    if (generation.ended()) return;
    generation.next(wish({byte(c)}));
  }
}

TEST(Generation, EndsAtTheBlankLineWithEos) {
  Generation g(tokenizer(), opening(), chat_prompt(), greedy());
  say(g, " 85");
  EXPECT_FALSE(g.next(wish({kBlankLine})).has_value());
  EXPECT_EQ(g.reason(), EndReason::kEos);
  EXPECT_EQ(g.text(), "85");
  EXPECT_EQ(g.tokens(), (Tokens{byte(' '), byte('8'), byte('5')}));
}

TEST(Generation, StopInsideATokenKeepsTheTextBeforeIt) {
  Generation g(tokenizer(), opening(), chat_prompt(), greedy());
  say(g, "x");
  g.next(wish({kFullStopBlankLine}));
  EXPECT_EQ(g.reason(), EndReason::kEos);
  EXPECT_EQ(g.text(), "x。");
}

TEST(Generation, TokenZeroEndsAChatWithEos) {
  Generation g(tokenizer(), opening(), chat_prompt(), greedy());
  say(g, "hi");
  EXPECT_FALSE(g.next(wish({kEndOfText})).has_value());
  EXPECT_EQ(g.reason(), EndReason::kEos);
  EXPECT_EQ(g.text(), "hi");
}

TEST(Generation, ARoleMarkerEndsWithStop) {
  Generation g(tokenizer(), opening(), chat_prompt(), greedy());
  say(g, "fine\nUser: and");
  EXPECT_EQ(g.reason(), EndReason::kStop);
  EXPECT_EQ(g.text(), "fine");
}

TEST(Generation, MaxTokensEndsWithLengthAndZeroOnlyEvaluatesThePrompt) {
  GenerationOptions options = greedy();
  options.max_tokens = 3;
  Generation g(tokenizer(), opening(), chat_prompt(), options);
  say(g, "abcdef");
  EXPECT_EQ(g.reason(), EndReason::kLength);
  EXPECT_EQ(g.text(), "abc");
  options.max_tokens = 0;
  Generation none(tokenizer(), opening(), chat_prompt(), options);
  EXPECT_FALSE(none.ended()) << "before the prompt was evaluated";
  EXPECT_FALSE(none.next(wish({byte('a')})).has_value());
  EXPECT_EQ(none.reason(), EndReason::kLength);
  EXPECT_EQ(none.text(), "");
}

TEST(Generation, AnAnswerDoesNotBeginEmpty) {
  Generation g(tokenizer(), opening(), chat_prompt(), greedy());
  EXPECT_EQ(g.next(wish({kBlankLine, kOpenTag, kEndOfText, byte('a')})), byte('a'));
}

TEST(Generation, AShortAnswerMayEndAtOnce) {
  Generation g(tokenizer(), opening(), chat_prompt(), greedy());
  g.next(wish({byte('7')}));
  g.next(wish({kBlankLine}));
  EXPECT_EQ(g.reason(), EndReason::kEos);
  EXPECT_EQ(g.text(), "7");
}

TEST(Generation, AResumedAnswerMayGoOnWithAnything) {
  Prompt prompt = chat_prompt(" partial");
  prompt.resumes_answer = true;
  Generation g(tokenizer(), opening(), prompt, greedy());
  EXPECT_EQ(g.next(wish({byte('\n'), byte('a')})), byte('\n'));
  say(g, "more");
  EXPECT_EQ(g.text(), "partial\nmore");
}

TEST(Generation, ThinkingMayBeginWithATagAndForcedReasoningMayNot) {
  GenerationOptions options = greedy();
  options.reasoning = true;
  Generation free(tokenizer(), opening(), chat_prompt(" <think"), options);
  EXPECT_EQ(free.next(wish({byte('\n'), byte('a')})), byte('\n'));
  options.force_reasoning = true;
  Generation forced(tokenizer(), opening(), chat_prompt(" <think"), options);
  EXPECT_EQ(forced.next(wish({byte('\n'), byte('<'), byte('a')})), byte('a'));
}

TEST(Generation, BansApplyWithoutAnyPenalty) {
  GenerationOptions options = greedy();
  options.banned = {byte('a'), -5, 1 << 20};
  Generation g(tokenizer(), opening(), chat_prompt(), options);
  EXPECT_EQ(g.next(wish({byte('a'), byte('b')})), byte('b'));
}

TEST(Generation, PaddingRowsAreNeverChosen) {
  Generation g(tokenizer(), opening(), chat_prompt(), greedy());
  EXPECT_EQ(g.next(wish({262, 263, byte('c')})), byte('c'));
}

TEST(Generation, ForcedChineseWritesWholeCharactersByteByByte) {
  GenerationOptions options = greedy();
  options.language = ForcedLanguage::kChinese;
  Generation g(tokenizer(), opening(), chat_prompt(), options);
  // The model would rather say "a" each time.
  for (const char liked : {'\xE4', '\xBD', '\xA0'}) g.next(wish({byte('a'), byte(liked)}));
  EXPECT_EQ(g.text(), "你");
}

TEST(Generation, CancelIsFinalAndKeepsTheText) {
  Generation g(tokenizer(), opening(), chat_prompt(), greedy());
  say(g, "half");
  g.end(EndReason::kCancelled);
  g.end(EndReason::kError);
  EXPECT_EQ(g.reason(), EndReason::kCancelled);
  EXPECT_FALSE(g.next(wish({byte('x')})).has_value());
  EXPECT_EQ(g.text(), "half");
}

TEST(Generation, SameSeedSameTokensAndOtherSeedOtherTokens) {
  GenerationOptions options;
  options.sampler.top_p = 1.0f;
  std::vector<float> flat(kRows, 0.0f);
  const auto draw = [&](std::uint64_t seed) {
    options.seed = seed;
    options.max_tokens = 30;
    Generation g(tokenizer(), opening(), chat_prompt(), options);
    while (g.next(flat)) {
    }
    return g.tokens();
  };
  EXPECT_EQ(draw(1), draw(1));
  EXPECT_NE(draw(1), draw(2));
}

TEST(Generation, LogitsAreNeverChanged) {
  GenerationOptions options;
  options.seed = 3;
  Generation g(tokenizer(), opening(), chat_prompt(), options);
  const std::vector<float> logits = wish({byte('a'), byte('b')});
  for (int i = 0; i < 5; ++i) g.next(logits);
  EXPECT_EQ(logits, wish({byte('a'), byte('b')}));
}

TEST(Generation, CompletionEndsAfterItsStopTokenAndKeepsItsText) {
  GenerationOptions options = greedy();
  options.stop_token = byte('!');
  Prompt prompt;
  prompt.chat = false;
  prompt.tokens = {1};
  Generation g(tokenizer(), opening(), prompt, options);
  say(g, " a\n\nb!c");
  EXPECT_EQ(g.reason(), EndReason::kStop);
  EXPECT_EQ(g.text(), " a\n\nb!");
}

TEST(Generation, AbsurdOptionsAreRefused) {
  GenerationOptions options = greedy();
  options.max_tokens = -1;
  EXPECT_THROW(Generation(tokenizer(), opening(), chat_prompt(), options), Error);
  options = greedy();
  options.stops = {""};
  EXPECT_THROW(Generation(tokenizer(), opening(), chat_prompt(), options), Error);
  options = greedy();
  options.sampler.temperature = std::numeric_limits<float>::quiet_NaN();
  EXPECT_THROW(Generation(tokenizer(), opening(), chat_prompt(), options), Error);
}

}  // namespace
}  // namespace rwkv
