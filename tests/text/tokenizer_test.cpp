#include "text/tokenizer.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <string>
#include <unordered_map>

#include "base/error.h"
#include "shared_data.h"

namespace rwkv {
namespace {

using test::WithWorldVocabulary;

Tokenizer small() {
  return Tokenizer(
      Vocabulary::from_text("1 'a' 1\n2 'ab' 2\n3 'abcd' 4\n4 'b' 1\n5 'c' 1\n6 b'\\xff\\x00' 2\n", "small"));
}

/// The plainest greedy matcher there is: at each place the longest piece that is a token; unknown bytes are skipped.
class PlainMatcher {
 public:
  explicit PlainMatcher(const Vocabulary& vocabulary) {
    for (TokenId id = 0; static_cast<std::size_t>(id) < vocabulary.size(); ++id) {
      const std::string bytes(vocabulary.bytes(id));
      if (bytes.empty()) continue;
      ids_[bytes] = id;
      longest_ = std::max(longest_, bytes.size());
    }
  }

  Tokens encode(const std::string& text) const {
    Tokens out;
    for (std::size_t at = 0; at < text.size();) {
      std::size_t length = std::min(longest_, text.size() - at);
      while (length > 0 && !ids_.contains(text.substr(at, length))) --length;
      if (length > 0) out.push_back(ids_.at(text.substr(at, length)));
      at += std::max<std::size_t>(length, 1);
    }
    return out;
  }

 private:
  std::unordered_map<std::string, TokenId> ids_;
  std::size_t longest_ = 0;
};

/// Text made of tokens and parts of tokens, with a random byte here and there.
std::string text_of_pieces(const Vocabulary& vocabulary, std::mt19937& random, std::size_t pieces) {
  std::string text;
  while (pieces-- > 0) {
    const auto bytes = vocabulary.bytes(static_cast<TokenId>(random() % vocabulary.size()));
    switch (random() % 4) {
      case 0: text += bytes.substr(0, random() % (bytes.size() + 1)); break;
      case 1: text += static_cast<char>(random() % 256); break;
      default: text += bytes; break;
    }
  }
  return text;
}

TEST(Tokenizer, TakesTheLongestMatchAndFallsBackToTheLastTokenPassed) {
  const Tokenizer t = small();
  EXPECT_EQ(t.encode("abcd"), (Tokens{3}));
  EXPECT_EQ(t.encode("abc"), (Tokens{2, 5}));  // `abc` begins `abcd`, but ends as `ab` and `c`
  EXPECT_EQ(t.encode("abcabcda"), (Tokens{2, 5, 3, 1}));
  EXPECT_EQ(t.encode("ba"), (Tokens{4, 1}));
  EXPECT_EQ(t.encode(std::string_view("\xFF\0a", 3)), (Tokens{6, 1}));
  EXPECT_EQ(t.encode(""), Tokens{});
}

TEST(Tokenizer, AppendsToTheTokensThatAreThere) {
  Tokens out = {7};
  EXPECT_FALSE(small().encode("ab", out));
  EXPECT_EQ(out, (Tokens{7, 2}));
}

TEST(Tokenizer, BytesWithoutATokenAreSkippedAndTheFirstIsReported) {
  const Tokenizer t = small();
  Tokens out;
  const auto gap = t.encode("abcxab\xE4z", out);
  ASSERT_TRUE(gap);
  EXPECT_EQ(gap->offset, 3U);
  EXPECT_EQ(gap->byte, 'x');
  EXPECT_EQ(out, (Tokens{2, 5, 2}));

  out.clear();
  const auto half = t.encode("a\xFF", out);  // begins a token, but is none
  ASSERT_TRUE(half);
  EXPECT_EQ(half->offset, 1U);
  EXPECT_EQ(half->byte, 0xFF);
  EXPECT_EQ(out, (Tokens{1}));
}

TEST(Tokenizer, EncodingWithoutAPlaceForGapsThrowsOffsetAndByteButNoText) {
  try {
    (void)small().encode("abc\xE4secret");
    FAIL() << "accepted";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kInvalidArgument);
    const std::string what = error.what();
    EXPECT_NE(what.find("0xE4"), std::string::npos) << what;
    EXPECT_NE(what.find("offset 3"), std::string::npos) << what;
    EXPECT_EQ(what.find("secret"), std::string::npos) << what;
  }
}

TEST(Tokenizer, DecodingIsTheBytesOfTheTokensAndUnknownIdsGiveNothing) {
  const Tokenizer t = small();
  EXPECT_EQ(t.decode(Tokens{3, 0, 1, -5, 7, 1'000'000, 6}), std::string("abcda\xFF\0", 7));
  EXPECT_EQ(t.decode({}), "");
  EXPECT_EQ(t.bytes(3), "abcd");
  EXPECT_EQ(t.bytes(0), "");
}

TEST(Tokenizer, CopiesAndMovesWork) {
  Tokenizer first = small();
  const Tokenizer copy = first;
  const Tokenizer moved = std::move(first);
  EXPECT_EQ(copy.encode("abc"), (Tokens{2, 5}));
  EXPECT_EQ(moved.encode("abc"), (Tokens{2, 5}));
  EXPECT_EQ(moved.decode(Tokens{2, 5}), "abc");
}

TEST(Tokenizer, ManySmallAppendsGrowTheTokensGeometrically) {
  const Tokenizer t = small();
  Tokens out;
  std::size_t growths = 0;
  for (int i = 0; i < 100'000; ++i) {
    const std::size_t before = out.capacity();
    t.encode("a", out);
    growths += out.capacity() != before ? 1U : 0U;
  }
  EXPECT_EQ(out.size(), 100'000U);
  EXPECT_LT(growths, 64U);  // log(100000) / log(1.5) is 28.4
}

TEST(Tokenizer, RandomVocabulariesAgreeWithThePlainMatcher) {
  std::mt19937 random(3);
  for (int round = 0; round < 60; ++round) {
    // Few letters make many shared beginnings; many letters make wide nodes.
    const unsigned letters = round % 3 == 0 ? 2 : round % 3 == 1 ? 5 : 256;
    std::unordered_map<std::string, bool> seen;
    std::string file;
    TokenId id = 0;
    for (int i = 0; i < 400; ++i) {
      std::string bytes;
      std::string escaped;
      for (std::size_t length = 1 + random() % 12; length > 0; --length) {
        const auto c = static_cast<unsigned>(random() % letters);
        bytes.push_back(static_cast<char>(c));
        constexpr const char* kHex = "0123456789abcdef";
        escaped += {'\\', 'x', kHex[c / 16], kHex[c % 16]};
      }
      if (!seen.emplace(bytes, true).second) continue;
      id += 1 + static_cast<TokenId>(random() % 3);
      file += std::to_string(id) + " b'" + escaped + "' " + std::to_string(bytes.size()) + "\n";
    }
    const Tokenizer t(Vocabulary::from_text(file, "random"));
    const PlainMatcher plain(t.vocabulary());
    for (int texts = 0; texts < 20; ++texts) {
      const std::string text = text_of_pieces(t.vocabulary(), random, 40);
      Tokens out;
      t.encode(text, out);
      ASSERT_EQ(out, plain.encode(text)) << testing::PrintToString(text) << "\n" << file;
    }
  }
}

class WorldTokenizer : public WithWorldVocabulary {};

TEST_F(WorldTokenizer, GivesThePublishedIds) {
  struct Example {
    const char* text;
    Tokens ids;
  };
  const Example examples[] = {
      {"User: hello\n\nAssistant:", {24281, 59, 38685, 261, 5585, 41693, 59}},
      {" <think>\n</think>\n\n", {295, 35762, 63, 11, 754, 35762, 63, 261}},
      {"</think>", {754, 35762, 63}},
      {"\xE3\x80\x82\n\n", {28329, 11}},
      {".\n\n", {47, 261}},
      {"\nUser:", {11, 24281, 59}},
      {"User:<image>/a/b.png</image>hi", {24281, 59, 61, 34733, 787, 98, 48, 99, 47, 8511, 754, 34733, 63, 1922}},
      {"<state src=\"/a/b.rmpack\">\n", {61, 35693, 22515, 5402, 98, 48, 99, 47, 2162, 26639, 391, 11}},
      {"\x16", {23}},
      {" think", {39942}},
  };
  for (const auto& [text, ids] : examples) {
    EXPECT_EQ(world().encode(text), ids) << text;
    EXPECT_EQ(world().decode(ids), text);
  }
}

TEST_F(WorldTokenizer, EveryTokenEncodesToItself) {
  const Vocabulary& v = world().vocabulary();
  for (TokenId id = 1; static_cast<std::size_t>(id) < v.size(); ++id) {
    ASSERT_EQ(world().encode(v.bytes(id)), Tokens{id});
  }
}

TEST_F(WorldTokenizer, EndOfTextIsOrdinaryText) {
  const Tokens ids = world().encode("<EOD>");
  EXPECT_EQ(std::count(ids.begin(), ids.end(), kEndOfText), 0);
  EXPECT_EQ(world().decode(ids), "<EOD>");
  EXPECT_EQ(world().decode(Tokens{kEndOfText}), "");
}

TEST_F(WorldTokenizer, AgreesWithThePlainMatcher) {
  const PlainMatcher plain(world().vocabulary());
  std::mt19937 random(11);
  for (int round = 0; round < 200; ++round) {
    const std::string text = text_of_pieces(world().vocabulary(), random, 30);
    ASSERT_EQ(world().encode(text), plain.encode(text)) << testing::PrintToString(text);
  }
}

TEST_F(WorldTokenizer, RoundTripIsByteExact) {
  std::mt19937 random(5);
  std::string bytes;
  for (int i = 0; i < 200'000; ++i) bytes.push_back(static_cast<char>(random() % 256));
  const std::string source = RWKV_SOURCE_DIR;
  const std::string texts[] = {
      bytes,
      std::string(5000, ' '),
      std::string(3, '\0'),
      test::read_text(source + "/LICENSE"),
      test::read_text(source + "/src/text/tokenizer.cpp"),
      "\xE4\xBD\xA0\xE5\xA5\xBD\xEF\xBC\x8C\xE4\xB8\x96\xE7\x95\x8C\xE3\x80\x82\r\n\t\xF0\x9F\x98\x80"};
  for (const auto& text : texts) {
    Tokens ids;
    EXPECT_FALSE(world().encode(text, ids));
    EXPECT_TRUE(world().decode(ids) == text);
    EXPECT_LE(ids.size(), text.size());
  }
}

}  // namespace
}  // namespace rwkv
