// How often a model file is opened, as the system sees it.
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <sstream>

#include "command.h"
#include "support/tiny_rwkv.h"

namespace rwkv::test {
namespace {

// `rwkv ARGUMENTS` under strace; the lines that open `path`.
std::vector<std::string> opens_of(const std::string& path, const std::string& arguments, const std::string& input) {
  const ScratchFolder scratch;
  const std::string trace = scratch.path() / "trace";
  const std::string program = (std::filesystem::path(RWKV_BINARY_DIR) / "bin" / "rwkv").string();
  write_file(scratch.path() / "in", input);
  const std::string command = "strace -f -qq -e trace=open,openat,openat2 -o '" + trace + "' '" + program + "' " +
                              arguments + " < '" + (scratch.path() / "in").string() + "' > /dev/null 2>&1";
  EXPECT_EQ(std::system(command.c_str()), 0) << command;
  std::vector<std::string> lines;
  std::istringstream file(read_file(trace));
  for (std::string line; std::getline(file, line);) {
    if (line.find("\"" + path + "\"") != std::string::npos) lines.push_back(line);
  }
  return lines;
}

std::string all_of(const std::vector<std::string>& lines) {
  std::string text;
  for (const std::string& line : lines) text += line + "\n";
  return text;
}

class Opens : public testing::Test {
 protected:
  void SetUp() override {
    if (std::system("strace -qq -o /dev/null true > /dev/null 2>&1") != 0) {
      GTEST_SKIP() << "strace is missing or may not trace here, so that nobody counts";
    }
  }
};

TEST_F(Opens, AChatOpensItsModelOnceAndTheEngineOnceMore) {
  const std::string model = kModel;
  const auto opens = opens_of(model, "chat -m '" + model + "'", "20+8=\n");
  EXPECT_GE(opens.size(), 1u);
  EXPECT_LE(opens.size(), 2u) << all_of(opens);
}

TEST_F(Opens, WhatReadsTheHeaderAloneOpensItOnce) {
  const std::string model = kModel;
  for (const std::string command : {"info", "tokenize"}) {
    const auto opens = opens_of(model, command + " -m '" + model + "' " + (command == "info" ? "" : "hello"), "");
    EXPECT_EQ(opens.size(), 1u) << command << ":\n" << all_of(opens);
  }
}

}  // namespace
}  // namespace rwkv::test
