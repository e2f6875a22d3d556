// A state file is the old one or the new one, whatever happens to the process that writes it.
#ifndef _WIN32
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <random>
#include <thread>

#include "base/error.h"
#include "formats/state_file.h"
#include "support/scratch.h"

namespace rwkv {
namespace {

using test::ScratchFolder;

constexpr std::size_t kStateBytes = 1 << 20;

// All bytes of a state are its number, so a mixture would show.
std::vector<std::byte> state_number(int number) {
  return std::vector<std::byte>(kStateBytes, static_cast<std::byte>(number));
}

TEST(StateFileCrash, KilledAtAnyMomentTheFileIsOneThatWasWritten) {
  const ScratchFolder scratch;
  const std::string path = scratch.path() / "state";
  write_state_file(path, Tokens{0}, state_number(0));
  std::mt19937 random(1);
  int changed = 0;
  for (int round = 0; round < 30; ++round) {
    const StateFile before = read_state_file(path);
    const pid_t child = fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
      for (int number = 0;; ++number) write_state_file(path, Tokens{number % 200}, state_number(number % 200));
    }
    std::this_thread::sleep_for(std::chrono::microseconds(random() % 30000));
    kill(child, SIGKILL);
    waitpid(child, nullptr, 0);
    const StateFile after = read_state_file(path);  // throws when it is neither
    ASSERT_EQ(after.tokens.size(), 1u);
    ASSERT_EQ(after.state, state_number(after.tokens[0]));
    changed += after.tokens != before.tokens ? 1 : 0;
  }
  EXPECT_GT(changed, 0) << "the child was always killed before it wrote anything";
}

TEST(StateFileCrash, AFullDiskIsAnErrorAndLeavesTheOldFile) {
  const ScratchFolder scratch;
  const std::string path = scratch.path() / "state";
  write_state_file(path, Tokens{5}, state_number(5));
  for (const rlim_t limit : {rlim_t{0}, rlim_t{1}, rlim_t{31}, rlim_t{40}, rlim_t{4096}, rlim_t{kStateBytes}}) {
    const pid_t child = fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
      std::signal(SIGXFSZ, SIG_IGN);  // writes beyond the limit fail, as on a full disk
      const rlimit few{limit, limit};
      setrlimit(RLIMIT_FSIZE, &few);
      try {
        write_state_file(path, Tokens{6}, state_number(6));
        _exit(1);
      } catch (const Error& error) {
        _exit(error.code() == ErrorCode::kIo ? 0 : 2);
      }
    }
    int status = 0;
    waitpid(child, &status, 0);
    EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << limit;
    EXPECT_EQ(read_state_file(path).tokens, Tokens{5});
    std::size_t files = 0;
    for ([[maybe_unused]] const auto& entry : std::filesystem::directory_iterator(scratch.path())) ++files;
    EXPECT_EQ(files, 1u) << "a temporary file was left";
  }
}

}  // namespace
}  // namespace rwkv
#endif
