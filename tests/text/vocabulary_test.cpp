#include "text/vocabulary.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "base/error.h"
#include "shared_data.h"

namespace rwkv {
namespace {

using namespace std::string_literals;
using test::WithWorldVocabulary;

/// The bytes that one literal stands for, given its length.
std::string decoded(const std::string& literal, std::size_t length) {
  return std::string(Vocabulary::from_text("1 " + literal + " " + std::to_string(length) + "\n", "v").bytes(1));
}

/// The error that reading `text` throws; fails when it throws none.
Error error_of(const std::string& text) {
  try {
    Vocabulary::from_text(text, "some/vocab.txt");
  } catch (const Error& error) {
    return error;
  }
  ADD_FAILURE() << "accepted: " << testing::PrintToString(text);
  return Error(ErrorCode::kInternal, "");
}

void expect_refused(const std::string& text, const std::string& where, const std::string& reason) {
  const Error error = error_of(text);
  EXPECT_EQ(error.code(), ErrorCode::kBadFile) << text;
  EXPECT_NE(std::string(error.what()).find("some/vocab.txt, " + where + ": "), std::string::npos) << error.what();
  EXPECT_NE(std::string(error.what()).find(reason), std::string::npos) << error.what();
}

TEST(Vocabulary, DecodesTheExamplesOfTheFormat) {
  const auto v = Vocabulary::from_text("33 ' ' 1\n11 '\\n' 1\n129 b'\\x80' 1\n262 '\\n ' 2\n", "v");
  EXPECT_EQ(v.size(), 263U);
  EXPECT_EQ(v.longest_token(), 2U);
  EXPECT_EQ(v.bytes(33), " ");
  EXPECT_EQ(v.bytes(11), "\n");
  EXPECT_EQ(v.bytes(129), "\x80");
  EXPECT_EQ(v.bytes(262), "\n ");
}

TEST(Vocabulary, IdsWithoutATokenHaveNoBytes) {
  const auto v = Vocabulary::from_text("3 'a' 1\n1 'b' 1", "v");
  EXPECT_EQ(v.size(), 4U);
  EXPECT_EQ(v.bytes(1), "b");
  EXPECT_EQ(v.bytes(3), "a");
  for (const TokenId id :
       {-1, 0, 2, 4, 5, 1'000'000, std::numeric_limits<TokenId>::max(), std::numeric_limits<TokenId>::min()}) {
    EXPECT_EQ(v.bytes(id), "") << id;
  }
}

TEST(Vocabulary, TextLiteralsBecomeUtf8) {
  EXPECT_EQ(decoded(R"('abc')", 3), "abc");
  EXPECT_EQ(decoded(R"("it's")", 4), "it's");
  EXPECT_EQ(decoded(R"('say "x"')", 7), "say \"x\"");
  EXPECT_EQ(decoded(R"('\'\"\\')", 3), "'\"\\");
  EXPECT_EQ(decoded(R"('\n\t\r\a\b\f\v')", 7), "\n\t\r\a\b\f\v");
  EXPECT_EQ(decoded(R"('\x41\x80')", 3), "A\xC2\x80");  // \x is a code point here
  EXPECT_EQ(decoded(R"('\u4e00')", 3), "\xE4\xB8\x80");
  EXPECT_EQ(decoded(R"('\U0001F600')", 4), "\xF0\x9F\x98\x80");
  EXPECT_EQ(decoded("'\xE4\xB8\x80'", 3), "\xE4\xB8\x80");
  EXPECT_EQ(decoded(R"('\0\12\101\400')", 4), "\0\nA\0"s);
  EXPECT_EQ(decoded(R"('\1018')", 2), "A8");
  EXPECT_EQ(decoded(R"('\q\ ')", 2), "q ");
  EXPECT_EQ(decoded(R"('\x4')", 2), "x4");
  EXPECT_EQ(decoded(R"('\u12')", 3), "u12");
  EXPECT_EQ(decoded("  \t'a b'  ", 3), "a b");
}

TEST(Vocabulary, BytesLiteralsAreBytes) {
  EXPECT_EQ(decoded(R"(b'\x80\xff\x00A')", 4), "\x80\xFF\0A"s);
  EXPECT_EQ(decoded(R"(b"\xE4'")", 2), "\xE4'");
  EXPECT_EQ(decoded(R"(b'\n\t\r\a\b\f\v\\\'\"')", 10), "\n\t\r\a\b\f\v\\'\"");
  EXPECT_EQ(decoded(R"(b'\u4e00')", 5), "u4e00");
  EXPECT_EQ(decoded(R"(b'\U00000041')", 9), "U00000041");
  EXPECT_EQ(decoded(R"(b'\377\8')", 2),
            "\xFF"
            "8");
}

TEST(Vocabulary, WindowsLineEndsAndAMissingLastOneMakeNoDifference) {
  const auto plain = Vocabulary::from_text("1 'a' 1\n2 '\\r' 1\n3 ' ' 1\n", "v");
  EXPECT_EQ(Vocabulary::from_text("1 'a' 1\r\n2 '\\r' 1\r\n3 ' ' 1\r\n", "v"), plain);
  EXPECT_EQ(Vocabulary::from_text("1 'a' 1\n2 '\\r' 1\n3 ' ' 1", "v"), plain);
  EXPECT_EQ(Vocabulary::from_text("2 '\\r' 1\n1 'a' 1\n3 ' ' 1", "v"), plain);  // nor does the order
}

TEST(Vocabulary, MalformedLinesAreRefusedWithFileLineAndReason) {
  expect_refused("1 'a' 1\nnonsense\n", "line 2", "not an id, a literal and a length");
  expect_refused("1 'a'\n", "line 1", "not an id, a literal and a length");
  expect_refused("1 'a' 1\n\n2 'b' 1\n", "line 2", "not an id, a literal and a length");
  expect_refused("x 'a' 1\n", "line 1", "decimal id");
  expect_refused("-1 'a' 1\n", "line 1", "decimal id");
  expect_refused("+1 'a' 1\n", "line 1", "decimal id");
  expect_refused(" 1 'a' 1\n", "line 1", "decimal id");
  expect_refused("1x 'a' 1\n", "line 1", "decimal id");
  expect_refused("99999999999999999999 'a' 1\n", "line 1", "decimal id");
  expect_refused("0 'a' 1\n", "line 1", "1..1000000");
  expect_refused("1000001 'a' 1\n", "line 1", "1..1000000");
  expect_refused("1 'a' x\n", "line 1", "decimal length");
  expect_refused("1 'a' 1 \n", "line 1", "decimal length");
  expect_refused("1 'a' -1\n", "line 1", "decimal length");
  expect_refused("1 a 1\n", "line 1", "in quotes");
  expect_refused("1 b 1\n", "line 1", "in quotes");
  expect_refused("1  1\n", "line 1", "in quotes");
  expect_refused("1 'a 1\n", "line 1", "no closing quote");
  expect_refused("1 'a\" 1\n", "line 1", "no closing quote");
  expect_refused("1 'a\\' 2\n", "line 1", "no closing quote");
  expect_refused("1 ' 0\n", "line 1", "no closing quote");
  expect_refused("1 'a'b' 3\n", "line 1", "follows the closing quote");
  expect_refused("1 '\\ud800' 3\n", "line 1", "does not exist in UTF-8");
  expect_refused("1 '\\U00110000' 4\n", "line 1", "does not exist in UTF-8");
  expect_refused("1 'a' 1\n2 'bcd' 2\n", "line 2", "given as 2, but the literal has 3");
  expect_refused("1 'a' 2\n", "line 1", "given as 2, but the literal has 1");  // not filled with zero bytes
  expect_refused("1 b'\\x80' 2\n", "line 1", "given as 2, but the literal has 1");
  expect_refused("1 '\\x80' 1\n", "line 1", "given as 1, but the literal has 2");
  expect_refused("1 '' 0\n", "line 1", "no bytes");
  expect_refused("1 'a' 1\n2 'b' 1\n1 'c' 1\n", "line 3", "id 1 was already given");
  expect_refused("1 'a' 1\n2 'b' 1\n3 b'\\x61' 1\n", "line 3", "same bytes as token 1");
}

TEST(Vocabulary, BoundsOfIdsAndLengthsAreTheLastAccepted) {
  EXPECT_EQ(Vocabulary::from_text("1000000 'a' 1\n", "v").size(), 1'000'001U);
  const std::string longest(1024, 'x');
  EXPECT_EQ(decoded("'" + longest + "'", 1024), longest);
  expect_refused("1 '" + longest + "x' 1025\n", "line 1", "1025 bytes, at most 1024");
}

TEST(Vocabulary, TooManyBytesInAllAreRefused) {
  std::string text;
  for (int id = 1; id <= 16385; ++id) {  // one token more than 16 MiB hold
    const std::string number = std::to_string(id);
    text += number + " '" + number + std::string(1024 - number.size(), '.') + "' 1024\n";
  }
  expect_refused(text, "line 16385", "16 MiB");
}

TEST(Vocabulary, WhatEditorsAddMakesNoDifference) {
  const std::string text = "1 'a' 1\n2 '\\r' 1\n3 ' ' 1\n";
  const auto plain = Vocabulary::from_text(text, "v");
  for (const char* end : {"\n", "\r\n\r\n", "  \n", "\t"}) {
    EXPECT_EQ(Vocabulary::from_text(text + end, "v"), plain) << end;
  }
  EXPECT_EQ(Vocabulary::from_text("\xEF\xBB\xBF" + text, "v"), plain);
}

TEST(Vocabulary, JsonHoldsTheSameTokens) {
  const auto plain = Vocabulary::from_text("1 b'\\x00' 1\n3 b'\\x80\\xff' 2\n2 '\\u4e00\"' 4\n", "v");
  for (const char* json : {R"({"1":"\u0000","3":[128,255],"2":"\u4e00\""})",
                           "\xEF\xBB\xBF {\n\"3\": [128, 255],\r\n \"2\": [228, 184, 128, 34],\n"
                           "\"1\": [0],\n \"0\": \"<s>\"}\n\n"}) {
    EXPECT_EQ(Vocabulary::from_text(json, "v"), plain) << json;
  }
}

TEST(Vocabulary, JsonThatIsNoVocabularyIsRefusedWithTheToken) {
  for (const auto& [json, reason] : std::initializer_list<std::pair<const char*, const char*>>{
           {R"({"1":"a","1":"b"})", "'1': the id 1 was already given"},
           {R"({"1":"a","2":[97]})", "'2': the token has the same bytes as token 1"},
           {R"({"1":""})", "'1': the token has no bytes"},
           {R"({"1000001":"a"})", "not in 1..1000000"},
           {R"({"a":1})", "'a' is not a decimal id"},
           {R"({"-1":"a"})", "not a decimal id"},
           {R"({"1":256})", "no byte"},
           {R"({"1":[256]})", "no byte"},
           {R"({"1":[-1]})", "no byte"},
           {R"({"1":[[1]]})", "a list in a list"},
           {R"({"1":["a"]})", "a text in a list"},
           {R"({"1":{"2":"a"}})", "is an object"},
           {R"({"1":null})", "is null"},
           {R"({"1":"a")", "not JSON"},
           {R"({"1":"a"}x)", "not JSON"},
           {R"({"1":"\ud800"})", "not JSON"},
           {"{}", "has no tokens"}}) {
    const Error error = error_of(json);
    EXPECT_EQ(error.code(), ErrorCode::kBadFile) << json;
    EXPECT_NE(std::string(error.what()).find(reason), std::string::npos) << error.what();
  }
}

TEST(Vocabulary, AnEmptyFileIsRefused) {
  const Error error = error_of("");
  EXPECT_EQ(error.code(), ErrorCode::kBadFile);
  EXPECT_NE(std::string(error.what()).find("some/vocab.txt is empty"), std::string::npos) << error.what();
}

class VocabularyFile : public testing::Test {
 protected:
  std::filesystem::path folder =
      std::filesystem::path(testing::TempDir()) /
      ("vocabulary_" + std::string(testing::UnitTest::GetInstance()->current_test_info()->name()));
  void SetUp() override { std::filesystem::create_directories(folder); }
  void TearDown() override { std::filesystem::remove_all(folder); }

  static ErrorCode code_of(const std::filesystem::path& path) {
    try {
      Vocabulary::from_file(path.string());
    } catch (const Error& error) {
      EXPECT_NE(std::string(error.what()).find(path.string()), std::string::npos) << error.what();
      return error.code();
    }
    ADD_FAILURE() << "accepted: " << path;
    return ErrorCode::kInternal;
  }
};

TEST_F(VocabularyFile, IsReadWhateverItsName) {
  for (const char* name : {"vocab.txt", "b_vocab.txt", "\xE8\xAF\x8D\xE8\xA1\xA8.txt"}) {
    std::ofstream(folder / name, std::ios::binary) << "1 b'\\x00' 1\n2 b'\\x61\\x62' 2\n";
    const auto v = Vocabulary::from_file((folder / name).string());
    EXPECT_EQ(v.bytes(1), "\0"s) << name;
    EXPECT_EQ(v.bytes(2), "ab") << name;
  }
}

TEST_F(VocabularyFile, AMissingFileIsNotFound) {
  EXPECT_EQ(code_of(folder / "absent.txt"), ErrorCode::kNotFound);
  EXPECT_EQ(code_of(folder / "absent" / "vocab.txt"), ErrorCode::kNotFound);
}

TEST_F(VocabularyFile, AFolderIsAnIoError) { EXPECT_EQ(code_of(folder), ErrorCode::kIo); }

TEST_F(VocabularyFile, EmptyAndHugeFilesAreBad) {
  std::ofstream(folder / "empty.txt");
  EXPECT_EQ(code_of(folder / "empty.txt"), ErrorCode::kBadFile);
  std::ofstream(folder / "huge.txt");
  std::filesystem::resize_file(folder / "huge.txt", (std::uintmax_t{64} << 20) + 1);
  EXPECT_EQ(code_of(folder / "huge.txt"), ErrorCode::kBadFile);
}

class WorldVocabulary : public WithWorldVocabulary {};

TEST_F(WorldVocabulary, HasThePublishedTokens) {
  const Vocabulary& v = world().vocabulary();
  EXPECT_EQ(v.size(), 65530U);
  EXPECT_EQ(v.longest_token(), 128U);
  for (int byte = 0; byte < 256; ++byte) EXPECT_EQ(v.bytes(byte + 1), std::string(1, static_cast<char>(byte)));
  EXPECT_EQ(v.bytes(0), "");
  EXPECT_EQ(v.bytes(261), "\n\n");
  EXPECT_EQ(v.bytes(35762), "think");
  EXPECT_EQ(v.bytes(28329), "\xE3\x80\x82\n");  // 。\n
  EXPECT_EQ(v.bytes(10250), "\xE4\xB8\x80");    // 一
  EXPECT_EQ(v.bytes(18493), "\xE9\xBE\xA0");    // 龠
  EXPECT_EQ(v.bytes(65529), std::string(128, ' '));
}

}  // namespace
}  // namespace rwkv
