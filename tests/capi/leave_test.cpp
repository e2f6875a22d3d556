// The process is left, forked or the library unloaded while a model writes. Programs of their own do that.
#include <gtest/gtest.h>
#include <spawn.h>
#include <sys/wait.h>

#include <string>
#include <vector>

extern char** environ;

namespace {

constexpr int kRuns = 15;

const std::string kModel = RWKV_SOURCE_DIR "/models/tiny/rwkv7-tiny.gguf";

// The exit code, or 1000 and the signal.
int run(std::vector<std::string> arguments) {
  std::vector<char*> pointers;
  for (std::string& each : arguments) pointers.push_back(each.data());
  pointers.push_back(nullptr);
  pid_t child = 0;
  if (posix_spawn(&child, pointers[0], nullptr, nullptr, pointers.data(), environ) != 0) return -1;
  int status = 0;
  waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
}

class Leaving : public ::testing::TestWithParam<const char*> {};

TEST_P(Leaving, WhileAModelWritesIsQuiet) {
  for (int i = 0; i < kRuns; ++i) ASSERT_EQ(run({RWKV_LEAVE, GetParam(), kModel}), 0) << "in run " << i;
}

INSTANTIATE_TEST_SUITE_P(EachWay, Leaving,
                         ::testing::Values("callback", "polling", "blocking", "bridge", "exit-in-callback", "global"),
                         [](const auto& each) {
                           std::string name = each.param;
                           std::erase(name, '-');
                           return name;
                         });

TEST(Unloading, WhileAModelWritesLeavesTheLibraryRunning) {
  for (int i = 0; i < 5; ++i) ASSERT_EQ(run({RWKV_UNLOAD, RWKV_LIBRARY, kModel}), 0) << "in run " << i;
}

TEST(Forking, TheChildIsToldThatNothingOfTheParentIsThereAndMayBeginAnew) {
  for (int i = 0; i < 5; ++i) ASSERT_EQ(run({RWKV_LEAVE, "fork", kModel}), 0) << "in run " << i;
}

}  // namespace
