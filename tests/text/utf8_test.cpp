#include "text/utf8.h"

#include <gtest/gtest.h>

#include <random>
#include <string>
#include <vector>

namespace rwkv {
namespace {

using namespace std::string_literals;

const std::string kFffd = "\xEF\xBF\xBD";

/// The text that Utf8Stream makes of `pieces`.
std::string streamed(const std::vector<std::string>& pieces) {
  Utf8Stream stream;
  std::string out;
  for (const auto& piece : pieces) {
    stream.push(piece, out);
    EXPECT_TRUE(is_valid_utf8(out));
    EXPECT_LE(stream.pending().size(), 3U);
  }
  stream.finish(out);
  EXPECT_TRUE(stream.pending().empty());
  return out;
}

/// The first and the last code point of every row of table 3-7 of the Unicode standard.
const std::vector<std::string> kBorders = {"\x01",
                                           "\x7F",
                                           "\xC2\x80",
                                           "\xDF\xBF",
                                           "\xE0\xA0\x80",
                                           "\xE0\xBF\xBF",
                                           "\xE1\x80\x80",
                                           "\xEC\xBF\xBF",
                                           "\xED\x80\x80",
                                           "\xED\x9F\xBF",
                                           "\xEE\x80\x80",
                                           "\xEF\xBF\xBF",
                                           "\xF0\x90\x80\x80",
                                           "\xF0\xBF\xBF\xBF",
                                           "\xF1\x80\x80\x80",
                                           "\xF3\xBF\xBF\xBF",
                                           "\xF4\x80\x80\x80",
                                           "\xF4\x8F\xBF\xBF"};

struct Repair {
  std::string input;
  std::string output;
};

/// Tables 3-8 to 3-11 of the Unicode standard (U+FFFD for ill-formed sequences), and more by the rule they show.
const std::vector<Repair> kRepairs = {
    // Table 3-8: overlong forms: every byte is a part of its own.
    {"\xC0\xAF\xE0\x80\xBF\xF0\x81\x82\x41", kFffd + kFffd + kFffd + kFffd + kFffd + kFffd + kFffd + kFffd + "A"},
    // Table 3-9: surrogates.
    {"\xED\xA0\x80\xED\xBF\xBF\xED\xAF\x41", kFffd + kFffd + kFffd + kFffd + kFffd + kFffd + kFffd + kFffd + "A"},
    // Table 3-10: too large, impossible bytes.
    {"\xF4\x91\x92\x93\xFF\x41\x80\xBF\x42", kFffd + kFffd + kFffd + kFffd + kFffd + "A" + kFffd + kFffd + "B"},
    // Table 3-11: truncated characters: one for each.
    {"\xE1\x80\xE2\xF0\x91\x92\xF1\xBF\x41", kFffd + kFffd + kFffd + kFffd + "A"},
    // The example of section 3.9 that older standards carried as table 3-8.
    {"\x61\xF1\x80\x80\xE1\x80\xC2\x62\x80\x63\x80\xBF\x64",
     "a" + kFffd + kFffd + kFffd + "b" + kFffd + "c" + kFffd + kFffd + "d"},
    {"\xE4\xB8", kFffd},
    {"\xF0\x9F\x98", kFffd},
    {"\xC2", kFffd},
    {"\xF0\x9F\x98\xE4\xB8\x80", kFffd + "\xE4\xB8\x80"},
    {"a\0b\xFF"s, "a\0b"s + kFffd},
    {"long plain text before \xC3( and after it, longer than a word",
     "long plain text before " + kFffd + "( and after it, longer than a word"},
};

TEST(Utf8, BordersOfEveryRowOfTheTableAreValid) {
  for (const auto& text : kBorders) EXPECT_TRUE(is_valid_utf8(text)) << testing::PrintToString(text);
  EXPECT_TRUE(is_valid_utf8(""));
  EXPECT_TRUE(is_valid_utf8("\0"s));
  EXPECT_TRUE(is_valid_utf8("seven b\xE4\xB8\x80 and then some more"));
}

TEST(Utf8, IllFormedSequencesAreNotValid) {
  const std::vector<std::string> texts = {"\xC0\x80",
                                          "\xC1\xBF",
                                          "\xE0\x80\x80",
                                          "\xE0\x9F\xBF",
                                          "\xF0\x80\x80\x80",
                                          "\xF0\x8F\xBF\xBF",  // overlong
                                          "\xED\xA0\x80",
                                          "\xED\xBF\xBF",  // surrogates
                                          "\xF4\x90\x80\x80",
                                          "\xF5\x80\x80\x80",
                                          "\xF8\x88\x80\x80\x80",
                                          "\xFE",
                                          "\xFF",  // too large
                                          "\x80",
                                          "\xBF",
                                          "a\x80",
                                          "\xC2",
                                          "\xE4\xB8",
                                          "\xF0\x9F\x98",
                                          "\xC2\x41",
                                          "\xE4\x41\x80",
                                          "\xF0\x9F\x98\x41",
                                          "exactly sixteen \x80",
                                          "\xE4\xB8\x80\xE4\xB8"};
  for (const auto& text : texts) EXPECT_FALSE(is_valid_utf8(text)) << testing::PrintToString(text);
}

TEST(Utf8, EveryCodePointIsValidAndSurrogatesAreRefused) {
  for (char32_t c = 0; c <= 0x110000; ++c) {
    std::string text;
    const bool encodable = append_code_point(c, text);
    const bool expected = c <= 0x10FFFF && (c < 0xD800 || c > 0xDFFF);
    ASSERT_EQ(encodable, expected) << static_cast<std::uint32_t>(c);
    ASSERT_EQ(text.empty(), !expected);
    ASSERT_TRUE(is_valid_utf8(text)) << static_cast<std::uint32_t>(c);
  }
  std::string text;
  ASSERT_TRUE(append_code_point(0x24, text) && append_code_point(0xA2, text) && append_code_point(0x20AC, text) &&
              append_code_point(0x10348, text));
  EXPECT_EQ(text, "\x24\xC2\xA2\xE2\x82\xAC\xF0\x90\x8D\x88");  // RFC 3629 and Unicode examples
}

TEST(Utf8, InvalidPartsAreReplacedOneForEachMaximalPart) {
  for (const auto& [input, output] : kRepairs) {
    EXPECT_EQ(to_valid_utf8(input), output) << testing::PrintToString(input);
    EXPECT_FALSE(is_valid_utf8(input));
  }
}

TEST(Utf8Stream, AnyCutGivesTheSameText) {
  std::string all = "plain ";
  for (const auto& border : kBorders) all += border + "x" + border;
  std::vector<Repair> cases = kRepairs;
  cases.push_back({all, all});
  for (const auto& border : kBorders) cases.push_back({border, border});

  for (const auto& [input, output] : cases) {
    for (std::size_t first = 0; first <= input.size(); ++first) {
      for (std::size_t second = first; second <= input.size(); ++second) {
        ASSERT_EQ(streamed({input.substr(0, first), input.substr(first, second - first), input.substr(second)}), output)
            << testing::PrintToString(input) << " cut at " << first << " and " << second;
      }
    }
    std::vector<std::string> bytes;
    for (const char c : input) bytes.emplace_back(1, c);
    ASSERT_EQ(streamed(bytes), output);
  }
}

TEST(Utf8Stream, CompleteCharactersAreGivenAtOnceAndUnfinishedOnesWait) {
  Utf8Stream stream;
  std::string out;
  stream.push("a\xE4\xB8", out);
  EXPECT_EQ(out, "a");
  EXPECT_EQ(stream.pending(), "\xE4\xB8");
  stream.push("", out);
  EXPECT_EQ(stream.pending(), "\xE4\xB8");
  stream.push("\x80!\xF0\x9F\x98", out);
  EXPECT_EQ(out, "a\xE4\xB8\x80!");
  EXPECT_EQ(stream.pending(), "\xF0\x9F\x98");
  stream.push("\x80", out);
  EXPECT_EQ(out, "a\xE4\xB8\x80!\xF0\x9F\x98\x80");
  EXPECT_TRUE(stream.pending().empty());
}

TEST(Utf8Stream, AByteThatCanNeverContinueIsReplacedAtOnce) {
  Utf8Stream stream;
  std::string out;
  stream.push("\xED", out);
  EXPECT_EQ(out, "");
  stream.push("\xA0", out);  // a surrogate: two parts, both lost already
  EXPECT_EQ(out, kFffd + kFffd);
  EXPECT_TRUE(stream.pending().empty());
}

TEST(Utf8Stream, CanBeUsedAgainAfterItsEnd) {
  Utf8Stream stream;
  std::string out;
  stream.push("\xE4", out);
  stream.finish(out);
  stream.finish(out);
  stream.push("\xB8\x80", out);  // no memory of the lead byte
  stream.finish(out);
  EXPECT_EQ(out, kFffd + kFffd + kFffd);
}

TEST(Utf8Stream, RandomBytesCutAtRandomAreTheSameAsWhole) {
  std::mt19937 random(7);
  const std::vector<unsigned char> likely = {0x41, 0x80, 0x9F, 0xA0, 0xBF, 0xC2, 0xE0, 0xE4, 0xED, 0xF0, 0xF4, 0xFF};
  for (int round = 0; round < 2000; ++round) {
    std::string text;
    std::vector<std::string> pieces(1);
    const std::size_t length = random() % 60;
    for (std::size_t i = 0; i < length; ++i) {
      const char c = static_cast<char>(likely[random() % likely.size()]);
      text.push_back(c);
      if (random() % 3 == 0) pieces.emplace_back();
      pieces.back().push_back(c);
    }
    const std::string whole = to_valid_utf8(text);
    ASSERT_TRUE(is_valid_utf8(whole));
    ASSERT_EQ(streamed(pieces), whole) << testing::PrintToString(text);
    if (is_valid_utf8(text)) {
      ASSERT_EQ(whole, text);
    }
  }
}

}  // namespace
}  // namespace rwkv
