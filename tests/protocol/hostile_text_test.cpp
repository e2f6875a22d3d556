#include <gtest/gtest.h>

#include <random>
#include <string>

#include "protocol/every_message.h"

namespace rwkv::protocol {
namespace {

using test::error_of;

// A message with lists, objects, numbers, escapes and characters of all lengths.
std::string rich_message() { return to_text(encode(RequestMessage{1234567890123456, test::filled<ChatBatchAsync>()})); }

std::string nested(int levels) { return std::string(static_cast<std::size_t>(levels), '['); }

std::string closed(int levels) { return nested(levels) + std::string(static_cast<std::size_t>(levels), ']'); }

TEST(HostileText, EveryTruncationIsRefused) {
  const std::string whole = rich_message();
  ASSERT_NO_THROW(decode_request(parse_message(whole)));
  for (std::size_t size = 0; size < whole.size(); ++size) {
    // A copy of exactly this size, so that a sanitizer sees a read past the end.
    const std::vector<char> part(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(size));
    const std::string error = error_of([&] { parse_message({part.data(), part.size()}); });
    EXPECT_EQ(error.find("The message is not valid JSON at byte "), 0u) << size << ": " << error;
  }
}

TEST(HostileText, ChangedBytesAreTakenOrRefused) {
  std::mt19937 random(20250924);
  const std::string whole = rich_message();
  int taken = 0;
  int refused = 0;
  for (int round = 0; round < 5000; ++round) {
    std::string text = whole;
    for (int change = 0; change < 1 + round % 4; ++change) {
      const std::size_t at = random() % text.size();
      switch (random() % 3) {
        case 0: text[at] = static_cast<char>(random() % 256); break;
        case 1: text.erase(at, 1 + random() % 8); break;
        default: text.insert(at, 1, "{}[]\",:\\u0e-"[random() % 12]); break;
      }
      if (text.empty()) break;
    }
    // Anything but rwkv::Error ends the test.
    error_of([&] { decode_request(parse_message(text)); }).empty() ? ++taken : ++refused;
  }
  EXPECT_GT(taken, 50);
  EXPECT_GT(refused, 1000);
}

TEST(HostileText, DepthIsBounded) {
  EXPECT_EQ(error_of([] { parse_message(closed(kMaxMessageDepth)); }), "");
  EXPECT_EQ(error_of([] { parse_message(closed(kMaxMessageDepth + 1)); }),
            "The message is nested deeper than 64 levels");
  EXPECT_EQ(error_of([] { parse_message(nested(10'000'000)); }), "The message is nested deeper than 64 levels");
  // Inside of a field that nobody reads, too.
  EXPECT_NE(error_of([] { parse_message(R"({"type":"DumpLog","extra":)" + closed(100) + "}"); }), "");
}

TEST(HostileText, SizeIsBounded) {
  const std::string text(kMaxMessageBytes + 1, ' ');
  EXPECT_EQ(error_of([&] { parse_message(text); }), "The message has 67108865 bytes; at most 67108864 are taken");
}

TEST(HostileText, NumbersBeyondTheirTypeAreRefused) {
  EXPECT_EQ(error_of([] { parse_message(R"({"type":"SetSeed","seed":1e999})"); }),
            "The message holds a number that is too large");
  EXPECT_NE(error_of([] { parse_message(R"({"seed":NaN})"); }), "");
  EXPECT_NE(error_of([] { parse_message(R"({"seed":Infinity})"); }), "");
}

TEST(HostileText, OfRepeatedKeysTheLastCounts) {
  const Json json = parse_message(R"({"type":"ChatAsync","modelID":1,"modelID":2,"type":"Stop"})");
  EXPECT_EQ(std::get<Stop>(decode_request(json).body).model_id, 2);
}

TEST(HostileText, BytesThatAreNotUtf8AreRefused) {
  const auto error = [](const std::string& bytes) {
    return error_of([&] { parse_message("{\"type\":\"" + bytes + "\"}"); });
  };
  EXPECT_EQ(error("\xC3\xA9"), "");
  // A lone continuation, an overlong slash, a surrogate in UTF-8, beyond the last character, a cut character.
  for (const char* bad : {"\x80", "\xC0\xAF", "\xED\xA0\x80", "\xF4\x90\x80\x80", "\xE6\xBC"}) {
    EXPECT_NE(error(bad), "") << bad;
  }
}

TEST(HostileText, HalfSurrogatePairsBecomeReplacementCharacters) {
  const auto text = [](const char* escaped) {
    return parse_message(R"({"text":")" + std::string(escaped) + "\"}")["text"].get<std::string>();
  };
  EXPECT_EQ(text(R"(a\ud83d\ude00b)"), "a\U0001F600b");
  EXPECT_EQ(text(R"(a\ud83db)"), "a\uFFFDb");
  EXPECT_EQ(text(R"(a\uDE00b)"), "a\uFFFDb");
  EXPECT_EQ(text(R"(\ude00\ud83d)"), "\uFFFD\uFFFD");
  EXPECT_EQ(text(R"(\ud83d\ud83d\ude00)"), "\uFFFD\U0001F600");
  EXPECT_EQ(text(R"(\ud83d\u0041)"), "\uFFFDA");
  // A backslash and the letters after it are not an escape.
  EXPECT_EQ(text(R"(\\ud83d\ud83d)"), "\\ud83d\uFFFD");
}

TEST(HostileText, ErrorsDoNotRepeatTheText) {
  const std::string error = error_of([] { parse_message(R"({"prompt":"my secret" oops)"); });
  EXPECT_EQ(error.find("secret"), std::string::npos);
  EXPECT_EQ(error, "The message is not valid JSON at byte 23");
}

TEST(HostileText, WhatIsSentIsUtf8) {
  ResponseBufferContent content;
  content.response_buffer_content = "a\xE6\xBC";
  const Json back = parse_message(to_text(encode(ResponseMessage{1, content})));
  EXPECT_EQ(back["responseBufferContent"], "a\uFFFD");
}

}  // namespace
}  // namespace rwkv::protocol
