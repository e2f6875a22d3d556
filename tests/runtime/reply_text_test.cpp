#include "runtime/reply_text.h"

#include <gtest/gtest.h>

#include <random>

namespace rwkv {
namespace {

const std::vector<std::string> kStops{"\n\n", "\nUser:", "\nAssistant:"};

struct Outcome {
  int stop = -1;
  std::string text;
};

// Pushes `bytes` in pieces cut at `cuts` and checks on the way that given text is never taken back.
Outcome run(std::string_view bytes, const std::vector<std::size_t>& cuts, std::string_view initial = "",
            const std::vector<std::string>& stops = kStops, bool trim = true) {
  ReplyText reply({stops, trim}, initial);
  Outcome outcome;
  std::string before = reply.text();
  std::size_t start = 0;
  for (std::size_t i = 0; i <= cuts.size() && outcome.stop < 0; ++i) {
    const std::size_t end = i < cuts.size() ? cuts[i] : bytes.size();
    outcome.stop = reply.push(bytes.substr(start, end - start));
    EXPECT_TRUE(reply.text().starts_with(before));
    EXPECT_TRUE(is_valid_utf8(reply.text()));
    before = reply.text();
    start = end;
  }
  if (outcome.stop < 0) reply.finish();
  EXPECT_TRUE(reply.text().starts_with(before));
  outcome.text = reply.text();
  return outcome;
}

// The outcome must not depend on where the tokens are cut.
Outcome run_every_way(std::string_view bytes, std::string_view initial = "",
                      const std::vector<std::string>& stops = kStops, bool trim = true) {
  const Outcome whole = run(bytes, {}, initial, stops, trim);
  std::vector<std::size_t> single;
  for (std::size_t i = 1; i < bytes.size(); ++i) {
    single.push_back(i);
    const Outcome cut = run(bytes, {i}, initial, stops, trim);
    EXPECT_EQ(cut.stop, whole.stop) << "cut at " << i;
    EXPECT_EQ(cut.text, whole.text) << "cut at " << i;
  }
  const Outcome bytewise = run(bytes, single, initial, stops, trim);
  EXPECT_EQ(bytewise.stop, whole.stop);
  EXPECT_EQ(bytewise.text, whole.text);
  return whole;
}

TEST(ReplyText, BlankLineEndsTheAnswerWhereverTokensAreCut) {
  const Outcome outcome = run_every_way(" Paris.\n\nUser: more");
  EXPECT_EQ(outcome.stop, 0);
  EXPECT_EQ(outcome.text, "Paris.");
}

TEST(ReplyText, ThreeNewlinesAndSpaceBeforeABlankLineAreStops) {
  EXPECT_EQ(run_every_way("yes\n\n\n").text, "yes");
  EXPECT_EQ(run_every_way("yes \n\nno").text, "yes ");
}

TEST(ReplyText, FullStopTokenWithBlankLineKeepsTheFullStop) { EXPECT_EQ(run_every_way("好。\n\n").text, "好。"); }

TEST(ReplyText, RoleMarkerEndsTheAnswer) {
  const Outcome outcome = run_every_way("fine\nUser: and you?");
  EXPECT_EQ(outcome.stop, 1);
  EXPECT_EQ(outcome.text, "fine");
}

TEST(ReplyText, WordsThatBeginLikeARoleAreText) {
  EXPECT_EQ(run_every_way("one\nAssess the risk\nUsers: many").text, "one\nAssess the risk\nUsers: many");
}

TEST(ReplyText, ThoughtsMayHaveBlankLines) {
  const Outcome outcome = run_every_way(">\nfirst\n\nsecond\n</think>\nanswer\n\nrest", " <think");
  EXPECT_EQ(outcome.stop, 0);
  EXPECT_EQ(outcome.text, "<think>\nfirst\n\nsecond\n</think>\nanswer");
}

TEST(ReplyText, BlankLineRightAfterThinkingIsNotTheEnd) {
  EXPECT_EQ(run_every_way("> hm </think>\n\nanswer\n\nrest", " <think").text, "<think> hm </think>\n\nanswer");
}

TEST(ReplyText, FastThinkingPromptCountsAsClosed) {
  const Outcome outcome = run_every_way(">\n85\n\nrest", " <think>\n</think");
  EXPECT_EQ(outcome.stop, 0);
  EXPECT_EQ(outcome.text, "<think>\n</think>\n85");
}

TEST(ReplyText, ThinkingEndTagOfAnotherNameDoesNotClose) {
  ReplyText reply({kStops, true}, " <think");
  reply.push("> a </thinking> b");
  EXPECT_TRUE(reply.thinking());
  reply.push("</think>");
  EXPECT_FALSE(reply.thinking());
}

TEST(ReplyText, AResumeWithoutThoughtsCanEnd) {
  EXPECT_EQ(run_every_way(" more\n\nrest", " partial").text, "partial more");
}

TEST(ReplyText, OnlyOneLeadingSpaceIsDropped) {
  EXPECT_EQ(run_every_way("    code").text, "   code");
  EXPECT_EQ(run_every_way("  x", "").text, " x");
  EXPECT_EQ(run_every_way("  x", " a").text, "a  x");
}

TEST(ReplyText, TrailingNewlinesAndEndMarkNeverReachTheReader) {
  EXPECT_EQ(run_every_way("done\n").text, "done");
  EXPECT_EQ(run_every_way("done\n\x17\n", "", {"@@"}).text, "done");
  EXPECT_EQ(run_every_way("a\n\n\nUser: b", " <think> x", {"\n\n", "\nUser:"}).text, "<think> xa");
}

TEST(ReplyText, CompletionKeepsEveryByte) {
  EXPECT_EQ(run_every_way(" a\n\n\x17\n", "", {}, false).text, " a\n\n\x17\n");
}

TEST(ReplyText, CharactersAreWholeWhereverTheyAreCut) {
  EXPECT_EQ(run_every_way("né 你好 😀 ok", "", {}).text, "né 你好 😀 ok");
}

TEST(ReplyText, AnUnfinishedCharacterAtTheEndIsLeftOut) { EXPECT_EQ(run_every_way("ab\xE4\xBD", "", {}).text, "ab"); }

TEST(ReplyText, InvalidBytesNeverLeak) {
  std::mt19937 random(7);
  for (int round = 0; round < 500; ++round) {
    std::string bytes(20, '\0');
    for (char& c : bytes) c = static_cast<char>(random() & 0xFF);
    run_every_way(bytes);
  }
}

TEST(ReplyText, VisibleTextBeginsAfterTheThoughts) {
  ReplyText reply({kStops, true}, " <think");
  EXPECT_FALSE(reply.has_visible_text());
  reply.push("> thought </think>");
  EXPECT_FALSE(reply.has_visible_text());
  reply.push("\n");
  EXPECT_FALSE(reply.has_visible_text());
  reply.push("x");
  EXPECT_TRUE(reply.has_visible_text());
}

}  // namespace
}  // namespace rwkv
