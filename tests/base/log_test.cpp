// The ring of log lines: bounded in every direction, in order, whole characters, any thread.
#include "base/log.h"

#include <gtest/gtest.h>

#include <cstdio>
#include <map>
#include <sstream>
#include <stdexcept>
#include <thread>
#include <vector>

namespace rwkv {
namespace {

class Log : public testing::Test {
 protected:
  void SetUp() override { log::clear(); }
  void TearDown() override {
    log::set_sink({});
    log::set_level(log::Level::kInfo);
    log::clear();
  }

  // The lines kept, without time and level.
  static std::vector<std::string> texts(log::Level at_least = log::Level::kDebug) {
    std::vector<std::string> lines;
    std::istringstream all(log::dump(at_least));
    for (std::string line; std::getline(all, line);) lines.push_back(line.substr(line.find("] [") + 3));
    return lines;
  }
};

TEST_F(Log, LineHasTimeLevelAndText) {
  log::info("hello");
  std::string form = log::dump();
  for (char& c : form) c = c >= '0' && c <= '9' ? '0' : c;
  EXPECT_EQ(form, "[0000-00-00 00:00:00.000] [INFO] hello\n");
}

TEST_F(Log, LevelsFilterWhatIsKeptAndWhatIsShown) {
  log::debug("dropped");
  log::set_level(log::Level::kDebug);
  EXPECT_EQ(log::level(), log::Level::kDebug);
  log::debug("d");
  log::info("i");
  log::warn("w");
  log::error("e");
  EXPECT_EQ(texts(), (std::vector<std::string>{"DEBUG] d", "INFO] i", "WARN] w", "ERROR] e"}));
  EXPECT_EQ(texts(log::Level::kWarn), (std::vector<std::string>{"WARN] w", "ERROR] e"}));
  log::set_level(log::Level::kError);
  log::warn("dropped");
  EXPECT_EQ(texts().size(), 4u);
}

TEST_F(Log, OldestLinesMakeRoomAndOrderStays) {
  for (std::size_t i = 0; i < log::kMaxLines + 500; ++i) log::info(std::to_string(i));
  const auto lines = texts();
  ASSERT_EQ(lines.size(), log::kMaxLines);
  for (std::size_t i = 0; i < lines.size(); ++i) EXPECT_EQ(lines[i], "INFO] " + std::to_string(i + 500));
}

TEST_F(Log, TrailingNewlinesGoAndEmptyLinesStay) {
  log::info("text\r\n\n");
  log::info("\n");
  log::info("");
  EXPECT_EQ(texts(), (std::vector<std::string>{"INFO] text", "INFO] ", "INFO] "}));
}

TEST_F(Log, LongLinesAreCutBetweenCharacters) {
  const std::string bird = "\U0001F426";  // four bytes
  for (std::size_t shift = 0; shift < 4; ++shift) {
    log::clear();
    std::string text(shift, '.');
    while (text.size() < 2 * log::kMaxLineBytes) text += bird;
    log::info(text);
    const std::string kept = texts().at(0).substr(6);
    EXPECT_EQ(kept, text.substr(0, kept.size()));
    EXPECT_EQ((kept.size() - shift) % 4, 0u);
    EXPECT_LE(kept.size(), log::kMaxLineBytes);
    EXPECT_GT(kept.size() + 4, log::kMaxLineBytes);
  }
}

TEST_F(Log, LongLineOfBytesThatAreNoTextIsKeptAsWell) {
  log::info(std::string(2 * log::kMaxLineBytes, '\x80'));
  EXPECT_GE(texts().at(0).size(), log::kMaxLineBytes - 3);
}

TEST_F(Log, SinkSeesEveryKeptLineAndItsExceptionsAreDropped) {
  std::vector<std::string> seen;
  log::set_sink([&](log::Level level, std::string_view line) {
    EXPECT_EQ(level, log::Level::kWarn);
    seen.emplace_back(line);
    throw std::runtime_error("of the sink");
  });
  log::debug("dropped");
  log::warn("one");
  log::warn("two");
  log::set_sink({});
  log::warn("three");
  ASSERT_EQ(seen.size(), 2u);
  EXPECT_TRUE(seen[0].ends_with("[WARN] one"));
  EXPECT_TRUE(seen[1].ends_with("[WARN] two"));
  EXPECT_EQ(texts().size(), 3u);
}

TEST_F(Log, ThreadsKeepTheirOwnOrderAndLoseNothing) {
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([t] {
      for (int i = 0; i < 200; ++i) {
        log::info(std::to_string(t) + " " + std::to_string(i));
        if (i % 50 == 0) log::dump();
      }
    });
  }
  for (auto& thread : threads) thread.join();
  std::map<int, int> next;
  for (const std::string& line : texts()) {
    int thread = 0;
    int number = 0;
    ASSERT_EQ(std::sscanf(line.c_str(), "INFO] %d %d", &thread, &number), 2) << line;
    EXPECT_EQ(number, next[thread]++);
  }
  for (int t = 0; t < 4; ++t) EXPECT_EQ(next[t], 200);
}

}  // namespace
}  // namespace rwkv
