#include "server/thinking_split.h"

#include <gtest/gtest.h>

#include <vector>

namespace rwkv::server {
namespace {

// Fed in pieces of `size` bytes.
ThinkingSplit::Parts split(std::string_view text, std::size_t size) {
  ThinkingSplit split;
  ThinkingSplit::Parts all;
  const auto add = [&](const ThinkingSplit::Parts& parts) {
    all.thoughts += parts.thoughts;
    all.content += parts.content;
  };
  for (std::size_t at = 0; at < text.size(); at += size) add(split.push(text.substr(at, size)));
  add(split.finish());
  return all;
}

struct Case {
  const char* text;
  const char* thoughts;
  const char* content;
};

TEST(ThinkingSplit, IsTheSameHoweverTheTextIsCut) {
  const Case cases[]{
      {"85", "", "85"},
      {"", "", ""},
      {"<think>\nHm.\n\nYes.\n</think>\n\n85", "Hm.\n\nYes.", "85"},
      {"<think>\n</think>\n85\n", "", "85\n"},
      {"<think>a</b> < </thin </think>b</think>", "a</b> < </thin", "b</think>"},
      {"<think> cut off ", "cut off ", ""},
      {"<think", "", ""},
      {"<thing>x", "", "<thing>x"},
      {"No <think>later</think>", "", "No <think>later</think>"},
      {"<think>\xE6\x80\x9D</think>\xE6\x83\xB3", "\xE6\x80\x9D", "\xE6\x83\xB3"},
  };
  for (const Case& c : cases) {
    for (const std::size_t size : {1u, 2u, 3u, 5u, 7u, 1000u}) {
      const ThinkingSplit::Parts parts = split(c.text, size);
      EXPECT_EQ(parts.thoughts, c.thoughts) << c.text << " in pieces of " << size;
      EXPECT_EQ(parts.content, c.content) << c.text << " in pieces of " << size;
    }
  }
}

TEST(ThinkingSplit, OnlyWhatMayBelongToATagWaits) {
  ThinkingSplit split;
  EXPECT_EQ(split.push("<think>\nOne").thoughts, "One");
  EXPECT_EQ(split.push(" two <").thoughts, " two");
  EXPECT_EQ(split.push("3").thoughts, " <3");
  EXPECT_EQ(split.push("</think>").thoughts, "");
  EXPECT_EQ(split.push("\nFour").content, "Four");
  EXPECT_EQ(split.push(" </think>").content, " </think>");
}

}  // namespace
}  // namespace rwkv::server
