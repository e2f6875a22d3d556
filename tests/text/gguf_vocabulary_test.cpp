// The token list of a GGUF file: escaped as llama.cpp's converter does it, and padded.
#include <gtest/gtest.h>

#include <random>
#include <string>
#include <vector>

#include "base/error.h"
#include "shared_data.h"
#include "text/vocabulary.h"

namespace rwkv {
namespace {

using namespace std::string_literals;

constexpr std::int32_t kNormal = 1;
constexpr std::int32_t kControl = 3;
constexpr std::int32_t kUnused = 5;

Vocabulary from_gguf(const std::vector<std::string>& texts, const std::vector<std::int32_t>& types = {}) {
  const std::vector<std::string_view> views(texts.begin(), texts.end());
  return Vocabulary::from_gguf_tokens(views, types);
}

void expect_refused(const std::vector<std::string>& texts, const std::vector<std::int32_t>& types,
                    const std::string& reason) {
  try {
    from_gguf(texts, types);
    FAIL() << "accepted, expected: " << reason;
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kBadFile);
    EXPECT_NE(std::string(error.what()).find(reason), std::string::npos) << error.what();
  }
}

std::string hex_escaped(std::string_view bytes) {
  constexpr const char* kHex = "0123456789abcdef";
  std::string out;
  for (const char c : bytes) {
    const auto byte = static_cast<unsigned char>(c);
    out += {'\\', 'x', kHex[byte / 16], kHex[byte % 16]};
  }
  return out;
}

/// What stands between the quotes of Python's repr(bytes).
std::string python_repr(std::string_view bytes) {
  const bool double_quoted = bytes.find('\'') != bytes.npos && bytes.find('"') == bytes.npos;
  std::string out;
  for (const char c : bytes) {
    if (c == '\n') {
      out += "\\n";
    } else if (c == '\t') {
      out += "\\t";
    } else if (c == '\r') {
      out += "\\r";
    } else if (c == '\\') {
      out += "\\\\";
    } else if (c == '\'' && !double_quoted) {
      out += "\\'";
    } else if (c < ' ' || c > '~') {
      out += hex_escaped({&c, 1});
    } else {
      out += c;
    }
  }
  return out;
}

TEST(GgufVocabulary, DecodesEveryEscape) {
  const auto v =
      from_gguf({"<s>", "plain", R"(\t\n\r)", R"(\x41\xff\x0AB)", R"(\\x41)", R"(\'\"\q\a\\)", "\xE4\xB8\x80\n"});
  EXPECT_EQ(v.size(), 7U);
  EXPECT_EQ(v.bytes(1), "plain");
  EXPECT_EQ(v.bytes(2), "\t\n\r");
  EXPECT_EQ(v.bytes(3), "A\xFF\nB");
  EXPECT_EQ(v.bytes(4), "\\x41");
  EXPECT_EQ(v.bytes(5), "'\"qa\\");  // not the bell: only t, n, r and x are special here
  EXPECT_EQ(v.bytes(6), "\xE4\xB8\x80\n");
  EXPECT_EQ(v.longest_token(), 5U);
}

TEST(GgufVocabulary, ControlUnusedEmptyAndTheFirstTokenHaveNoBytes) {
  const auto v = from_gguf({"zero", "a", "", "[PAD3]", "b", "<eos>", "[PAD3]", "", "[bad \\x"},
                           {kNormal, kNormal, kNormal, kUnused, kNormal, kControl, kUnused, kNormal, kUnused});
  EXPECT_EQ(v.size(), 9U);  // padding counts
  EXPECT_EQ(v.bytes(1), "a");
  EXPECT_EQ(v.bytes(4), "b");
  for (const TokenId id : {0, 2, 3, 5, 6, 7, 8}) EXPECT_EQ(v.bytes(id), "") << id;
}

TEST(GgufVocabulary, DamagedListsAreRefused) {
  expect_refused({"<s>", "a", R"(\x)"}, {}, "token 2: its text has a \\x without two hex digits");
  expect_refused({"<s>", R"(\x4)"}, {}, "token 1: its text has a \\x");
  expect_refused({"<s>", R"(\x4g)"}, {}, "token 1: its text has a \\x");
  expect_refused({"<s>", R"(\x-1)"}, {}, "token 1: its text has a \\x");
  expect_refused({"<s>", R"(a\)"}, {}, "token 1: its text ends in a single backslash");
  expect_refused({"<s>", "a", "b", R"(\x61)"}, {}, "token 3: the token has the same bytes as token 1");
  expect_refused({"<s>", "a"}, {kControl}, "2 tokens, but 1 token types");
  expect_refused({"<s>", "a"}, {kControl, kControl}, "no token has any bytes");
  expect_refused({"<s>"}, {}, "no token has any bytes");
  expect_refused({}, {}, "no token has any bytes");
  expect_refused({"<s>", std::string(1025, 'a')}, {}, "1025 bytes, at most 1024");
  expect_refused(std::vector<std::string>(1'000'002), {}, "more than 1000001 tokens");
}

class WorldAsGguf : public test::WithWorldVocabulary {};

TEST_F(WorldAsGguf, EncodesTheSameFromFileAndFromEitherEscapedForm) {
  const Vocabulary& file = world().vocabulary();
  std::vector<std::string> repr = {"<s>"};
  std::vector<std::string> hex = {"<s>"};
  std::vector<std::int32_t> types = {kControl};
  for (TokenId id = 1; static_cast<std::size_t>(id) < file.size(); ++id) {
    repr.push_back(python_repr(file.bytes(id)));
    hex.push_back(hex_escaped(file.bytes(id)));
    types.push_back(kNormal);
  }
  ASSERT_EQ(repr[11], "\\n");
  ASSERT_EQ(repr[10250], "\\xe4\\xb8\\x80");
  EXPECT_EQ(from_gguf(repr, types), file);
  EXPECT_EQ(from_gguf(hex), file);

  while (repr.size() < 65536) {  // padded to the width of the model's head
    repr.push_back("[PAD" + std::to_string(repr.size()) + "]");
    types.push_back(kUnused);
  }
  const Tokenizer from_repr(from_gguf(repr, types));
  const Tokenizer from_hex(from_gguf(hex));
  EXPECT_EQ(from_repr.vocabulary().size(), 65536U);

  std::mt19937 random(9);
  std::vector<std::string> texts = {
      "User: hello\n\nAssistant: <think>\n</think>\n\n", "it's \"quoted\" \\ back\\slash \\x41 \t\r\n", "[PAD65530]<s>",
      "\xE4\xBD\xA0\xE5\xA5\xBD\xEF\xBC\x8C\xE4\xB8\x96\xE7\x95\x8C\xE3\x80\x82\n \xF0\x9F\x98\x80 \xC3\xA9t\xC3\xA9",
      test::read_text(std::string(RWKV_SOURCE_DIR) + "/src/text/vocabulary.cpp")};
  std::string bytes;
  for (int i = 0; i < 20'000; ++i) bytes.push_back(static_cast<char>(random() % 256));
  texts.push_back(bytes);
  std::string tokens;
  for (int i = 0; i < 20'000; ++i) tokens += file.bytes(static_cast<TokenId>(random() % file.size()));
  texts.push_back(tokens);
  for (const auto& text : texts) {
    const Tokens expected = world().encode(text);
    EXPECT_EQ(from_repr.encode(text), expected);
    EXPECT_EQ(from_hex.encode(text), expected);
  }
}

}  // namespace
}  // namespace rwkv
