#include "runtime/first_tokens.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace rwkv {
namespace {

Vocabulary vocabulary() {
  std::string text;
  for (int b = 0; b < 256; ++b) {
    char line[32];
    std::snprintf(line, sizeof line, "%d b'\\x%02x' 1\n", b + 1, b);
    text += line;
  }
  text += "257 '\\n\\n' 2\n258 ' <' 2\n259 '><' 2\n260 '></' 3\n261 '你' 3\n262 '好a' 4\n263 'ok' 2\n264 '你好' 6\n";
  return Vocabulary::from_text(text, "test");
}

bool contains(const Tokens& tokens, TokenId id) { return std::find(tokens.begin(), tokens.end(), id) != tokens.end(); }

TEST(OpeningRules, EmptyOpeningsAreNewlinesTagsAndTheEnd) {
  const Vocabulary v = vocabulary();
  const OpeningRules rules(v);
  for (const TokenId id : {kEndOfText, '\n' + 1, '<' + 1, 257, 258, 259, 260}) {
    EXPECT_TRUE(contains(rules.empty_openings(), id)) << id;
  }
  for (const TokenId id : {' ' + 1, '>' + 1, 'a' + 1, 261, 263})
    EXPECT_FALSE(contains(rules.empty_openings(), id)) << id;
}

TEST(OpeningRules, ChineseLeavesOnlyCharactersWholeOrBegun) {
  const Vocabulary v = vocabulary();
  const OpeningRules rules(v);
  std::vector<std::uint8_t> banned(270, 0);
  rules.ban_other_languages(ForcedLanguage::kChinese, "", banned);
  for (const int id : {261, 264, 0xE4 + 1, 0xE9 + 1}) EXPECT_EQ(banned[static_cast<std::size_t>(id)], 0) << id;
  for (const int id : {0, 262, 263, 'a' + 1, 0xE3 + 1, 0xEA + 1, 0x80 + 1, 268}) {
    EXPECT_EQ(banned[static_cast<std::size_t>(id)], 1) << id;
  }
}

TEST(OpeningRules, AnUnfinishedCharacterMustBeFinished) {
  const Vocabulary v = vocabulary();
  const OpeningRules rules(v);
  std::vector<std::uint8_t> banned(265, 0);
  rules.ban_other_languages(ForcedLanguage::kChinese, "\xE4", banned);
  EXPECT_EQ(banned[0xBD + 1], 0);  // E4 BD .. is a character
  EXPECT_EQ(banned[0x80 + 1], 1);  // E4 80 .. lies below U+4E00
  EXPECT_EQ(banned[261], 1);
}

TEST(OpeningRules, EnglishBansEveryTokenThatHoldsChinese) {
  const Vocabulary v = vocabulary();
  const OpeningRules rules(v);
  std::vector<std::uint8_t> banned(265, 0);
  rules.ban_other_languages(ForcedLanguage::kEnglish, "", banned);
  for (const int id : {261, 262, 264, 0xE5 + 1}) EXPECT_EQ(banned[static_cast<std::size_t>(id)], 1) << id;
  for (const int id : {263, 'a' + 1, 258}) EXPECT_EQ(banned[static_cast<std::size_t>(id)], 0) << id;
}

TEST(OpeningRules, AVocabularyWithoutChineseIsNotSilenced) {
  const Vocabulary v = Vocabulary::from_text("1 'a' 1\n2 'b' 1\n", "test");
  const OpeningRules rules(v);
  std::vector<std::uint8_t> banned(3, 0);
  rules.ban_other_languages(ForcedLanguage::kChinese, "", banned);
  EXPECT_EQ(banned, (std::vector<std::uint8_t>{0, 0, 0}));
}

TEST(OpeningRules, EarlierBansStay) {
  const Vocabulary v = vocabulary();
  const OpeningRules rules(v);
  std::vector<std::uint8_t> banned(265, 0);
  banned[261] = 1;
  rules.ban_other_languages(ForcedLanguage::kChinese, "", banned);
  EXPECT_EQ(banned[261], 1);
}

}  // namespace
}  // namespace rwkv
