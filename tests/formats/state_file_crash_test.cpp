// A state file is the old one or the new one, whatever happens to the process that writes it.
#ifndef _WIN32
#include <gtest/gtest.h>
#ifdef __linux__
#include <sys/ptrace.h>
#endif
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>

#include "base/error.h"
#include "formats/state_file.h"
#include "support/scratch.h"

namespace rwkv {
namespace {

using test::ScratchFolder;

constexpr std::size_t kStateBytes = 1 << 20;

// All values of a state are its number, as is its token, so a mixture would show.
StateFile state_number(int number) {
  StateFile file{StateType::kF32, 1, "none", {number}, {1, kStateBytes / 8, 0, 0, {}}};
  file.tensors.values.assign(kStateBytes / 4, static_cast<float>(number));
  return file;
}

#ifdef __linux__
// Runs `write` in a process of its own and kills that at its system call number `call` (calls count twice: before and
// after). False: it ended before.
template <class Write>
bool killed_at(int call, const Write& write) {
  const pid_t child = fork();
  if (child == 0) {
    ptrace(PTRACE_TRACEME, 0, nullptr, nullptr);
    std::raise(SIGSTOP);
    write();
    _exit(0);
  }
  int status = 0;
  waitpid(child, &status, 0);
  for (int i = 0; i < call && WIFSTOPPED(status); ++i) {
    ptrace(PTRACE_SYSCALL, child, nullptr, nullptr);
    waitpid(child, &status, 0);
  }
  if (!WIFSTOPPED(status)) {
    EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    return false;
  }
  kill(child, SIGKILL);
  waitpid(child, &status, 0);
  return true;
}

TEST(StateFileCrash, KilledAtAnyStepOfWritingTheFileIsTheOldOneOrTheNew) {
  const ScratchFolder scratch;
  const std::string path = scratch.path() / "state";
  int steps = 0;
  int renamed = 0;
  while (true) {
    write_state_file(path, state_number(1));
    const bool killed = killed_at(steps, [&] { write_state_file(path, state_number(2)); });
    const StateFile after = read_state_file(path);  // throws when it is neither
    ASSERT_EQ(after.tokens.size(), 1u);
    ASSERT_EQ(after.tensors.values, state_number(after.tokens[0]).tensors.values);
    renamed += killed && after.tokens[0] == 2 ? 1 : 0;
    if (!killed) {
      EXPECT_EQ(after.tokens[0], 2);
      break;
    }
    ++steps;
  }
  // Opening, writing three parts, syncing the file, renaming, syncing the folder, each before and after.
  EXPECT_GE(steps, 14);
  EXPECT_GE(renamed, 1) << "nothing came after the renaming, which must reach the disk as well";
}
#endif

TEST(StateFileCrash, AFullDiskIsAnErrorAndLeavesTheOldFile) {
  const ScratchFolder scratch;
  const std::string path = scratch.path() / "state";
  write_state_file(path, state_number(5));
  for (const rlim_t limit : {rlim_t{0}, rlim_t{1}, rlim_t{31}, rlim_t{40}, rlim_t{4096}, rlim_t{kStateBytes}}) {
    const pid_t child = fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
      std::signal(SIGXFSZ, SIG_IGN);  // writes beyond the limit fail, as on a full disk
      const rlimit few{limit, limit};
      setrlimit(RLIMIT_FSIZE, &few);
      try {
        write_state_file(path, state_number(6));
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
