// Runs the built `rwkv` as a stranger would.
#pragma once

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <filesystem>
#include <string>
#include <thread>
#include <vector>

#include "support/scratch.h"

namespace rwkv::test {

struct CommandResult {
  int exit_code = -1;  // 128 + signal if a signal ended it
  std::string out;
  std::string err;
};

/// Runs `rwkv ARGUMENTS` with `input` on standard input. With interrupt_after_bytes >= 0, Ctrl-C (SIGINT) is sent once
/// standard output has grown beyond that.
inline CommandResult rwkv(const std::vector<std::string>& arguments, const std::string& input = "",
                          int interrupt_after_bytes = -1) {
  const ScratchFolder scratch;
  const auto out = scratch.path() / "out";
  const auto err = scratch.path() / "err";
  const auto in = scratch.path() / "in";
  write_file(in, input);
  const std::string program = (std::filesystem::path(RWKV_BINARY_DIR) / "bin" / "rwkv").string();
  const pid_t child = fork();
  if (child == 0) {
    signal(SIGINT, SIG_DFL);  // ignored where the tests themselves run in the background of a script
    if (!freopen(in.c_str(), "r", stdin) || !freopen(out.c_str(), "w", stdout) || !freopen(err.c_str(), "w", stderr)) {
      _exit(127);
    }
    std::vector<char*> argv{const_cast<char*>(program.c_str())};
    for (const std::string& argument : arguments) argv.push_back(const_cast<char*>(argument.c_str()));
    argv.push_back(nullptr);
    execv(program.c_str(), argv.data());
    _exit(127);
  }
  int status = 0;
  if (interrupt_after_bytes >= 0) {
    std::error_code ignored;
    while (waitpid(child, &status, WNOHANG) == 0) {
      const auto size = std::filesystem::file_size(out, ignored);
      if (!ignored && size > static_cast<std::uintmax_t>(interrupt_after_bytes)) {
        kill(child, SIGINT);
        waitpid(child, &status, 0);
        break;
      }
      std::this_thread::sleep_for(std::chrono::milliseconds(2));
    }
  } else {
    while (waitpid(child, &status, 0) < 0 && errno == EINTR) {
    }
  }
  CommandResult result;
  result.exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  result.out = read_file(out);
  result.err = read_file(err);
  return result;
}

}  // namespace rwkv::test
