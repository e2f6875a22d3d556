// What a server calls its models, and how it ends that is told to by a signal.
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <utility>
#include <vector>

#include "command.h"
#include "support/connect.h"
#include "support/scratch.h"

namespace rwkv::test {
namespace {

/// `rwkv serve` of a model that takes a minute for its answer.
class ServeCommand : public ::testing::Test {
 protected:
  /// With `ignored` ignored, as whoever starts it may want it.
  void start(int ignored = 0, const char* name = "model.json") {
    const auto script = scratch_.path() / name;
    write_file(script,
               R"({"rwkv_script": 1, "decode_us": 20000, "replies": [{"say": ")" + std::string(3000, 'y') + R"("}]})");
    serve({"-m", script.string()}, ignored);
  }
  /// `rwkv serve ARGUMENTS` on a free port.
  void serve(const std::vector<std::string>& arguments, int ignored = 0) {
    const std::string program = (std::filesystem::path(RWKV_BINARY_DIR) / "bin" / "rwkv").string();
    std::vector<const char*> argv{program.c_str(), "serve", "--port", "0"};
    for (const std::string& argument : arguments) argv.push_back(argument.c_str());
    argv.push_back(nullptr);
    int out[2];
    ASSERT_EQ(pipe(out), 0);
    child_ = fork();
    if (child_ == 0) {
      for (const int each : {SIGINT, SIGTERM}) std::signal(each, each == ignored ? SIG_IGN : SIG_DFL);
      dup2(out[1], 1);
      execv(program.c_str(), const_cast<char**>(argv.data()));
      _exit(127);
    }
    close(out[1]);
    std::string line;
    for (char c = 0; read(out[0], &c, 1) == 1 && c != '\n';) line += c;
    close(out[0]);
    port_ = std::atoi(line.substr(line.rfind(':') + 1).c_str());
    ASSERT_GT(port_, 0) << line;
  }
  void TearDown() override {
    if (child_ > 0) {
      kill(child_, SIGKILL);
      waitpid(child_, nullptr, 0);
    }
    if (socket_ >= 0) close(socket_);
  }

  /// Begins a stream and waits for the first of it.
  void begin_stream(const std::string& more = "") {
    post(R"({"messages": [{"content": "Hi"}], "stream": true)" + more + "}");
    ASSERT_TRUE(read_until(R"("content":"y)"));
  }
  void post(const std::string& body) {
    socket_ = connect_to(port_);
    const std::string request =
        "POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Length: " + std::to_string(body.size()) +
        "\r\n\r\n" + body;
    ASSERT_EQ(send(socket_, request.data(), request.size(), MSG_NOSIGNAL), static_cast<ssize_t>(request.size()));
  }
  /// How many tokens of a conversation's prompt the server knew already.
  int known_tokens(const std::string& messages) {
    received_.clear();
    post(R"({"max_tokens": 20, "messages": [)" + messages + "]}");
    EXPECT_TRUE(read_until(R"("cached_tokens":)") && read_until("timings")) << received_;
    close(std::exchange(socket_, -1));
    return std::atoi(received_.c_str() + received_.find(R"("cached_tokens":)") + 16);
  }
  void end() {
    kill(child_, SIGTERM);
    EXPECT_EQ(exit_code(), 0);
  }
  bool read_until(const std::string& part) {
    char buffer[4096];
    while (received_.find(part) == std::string::npos) {
      const auto count = recv(socket_, buffer, sizeof buffer, 0);
      if (count <= 0) return false;
      received_.append(buffer, static_cast<std::size_t>(count));
    }
    return true;
  }

  /// 128 + signal if a signal ended it.
  int exit_code() {
    int status = 0;
    waitpid(child_, &status, 0);
    child_ = -1;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  }

  const ScratchFolder scratch_;
  pid_t child_ = -1;
  int port_ = 0;
  int socket_ = -1;
  std::string received_;
};

TEST_F(ServeCommand, SigtermEndsStreamsWellAndIsNoFailure) {
  start();
  begin_stream();
  kill(child_, SIGTERM);
  EXPECT_TRUE(read_until("data: [DONE]")) << received_;
  EXPECT_NE(received_.find(R"("finish_reason":"error")"), std::string::npos) << received_;
  EXPECT_EQ(exit_code(), 0);
}

TEST_F(ServeCommand, CtrlCEndsStreamsWellAndIsAnInterrupt) {
  start();
  begin_stream();
  kill(child_, SIGINT);
  EXPECT_TRUE(read_until("data: [DONE]")) << received_;
  EXPECT_EQ(exit_code(), 130);
}

TEST_F(ServeCommand, ASignalThatTheStarterIgnoresStaysIgnored) {
  start(SIGINT);
  kill(child_, SIGINT);
  begin_stream();
  kill(child_, SIGINT);
  received_.clear();
  EXPECT_TRUE(read_until(R"("content":"y)")) << received_;  // it goes on
  EXPECT_EQ(received_.find("[DONE]"), std::string::npos);
  kill(child_, SIGTERM);
  EXPECT_EQ(exit_code(), 0);
}

// File names are bytes, requests are text.
TEST_F(ServeCommand, AModelWhoseFileNameIsNoTextCanBeNamed) {
  start(0, "a\xFF\xC3.json");
  begin_stream(R"(, "model": "a\ufffd\ufffd")");
}

TEST_F(ServeCommand, RemembersConversationsBeyondItsEndInAFolder) {
  const std::string folder = (scratch_.path() / "states").string();
  const std::vector<std::string> arguments{"-m", kModel.string(), "--greedy", "--state-folder", folder};
  const std::string question = R"({"role": "user", "content": "What is 47+38?"})";
  const std::string talk =
      question + R"(, {"role": "assistant", "content": "85"}, {"role": "user", "content": "What is 3+4?"})";
  serve(arguments);
  EXPECT_EQ(known_tokens(question), 0);
  end();
  serve(arguments);
  EXPECT_GT(known_tokens(talk), 0);
  end();
  serve({"-m", kModel.string(), "--greedy"});
  EXPECT_EQ(known_tokens(talk), 0);
  end();
}

TEST_F(ServeCommand, RefusesAModelOverTheBudgetWithTheFigures) {
  const auto script = (scratch_.path() / "large.json").string();
  write_file(script, R"({"rwkv_script": 1, "needs_mb": 60, "replies": [{"say": "hello"}]})");
  serve({"-m", script, "--memory-budget", "100MB"});
  end();
  const CommandResult refused = rwkv({"serve", "--port", "0", "-m", script, "-m", script, "--memory-budget", "100MB"});
  EXPECT_EQ(refused.exit_code, 1);
  EXPECT_EQ(refused.out, "");
  for (const char* figure : {"needs 60 MB", "budget 100 MB", "in use by models 60 MB"}) {
    EXPECT_NE(refused.err.find(figure), std::string::npos) << refused.err;
  }
}

}  // namespace
}  // namespace rwkv::test
