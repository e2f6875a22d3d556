// What a server calls its models, and how it ends that is told to by a signal.
#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <string>

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
    const std::string program = (std::filesystem::path(RWKV_BINARY_DIR) / "bin" / "rwkv").string();
    int out[2];
    ASSERT_EQ(pipe(out), 0);
    child_ = fork();
    if (child_ == 0) {
      for (const int each : {SIGINT, SIGTERM}) std::signal(each, each == ignored ? SIG_IGN : SIG_DFL);
      dup2(out[1], 1);
      execl(program.c_str(), program.c_str(), "serve", "-m", script.c_str(), "--port", "0", nullptr);
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
    socket_ = socket(AF_INET, SOCK_STREAM, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(static_cast<std::uint16_t>(port_));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    ASSERT_EQ(connect(socket_, reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
    const std::string body = R"({"messages": [{"content": "Hi"}], "stream": true)" + more + "}";
    const std::string request =
        "POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Length: " + std::to_string(body.size()) +
        "\r\n\r\n" + body;
    ASSERT_EQ(send(socket_, request.data(), request.size(), MSG_NOSIGNAL), static_cast<ssize_t>(request.size()));
    ASSERT_TRUE(read_until(R"("content":"y)"));
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

}  // namespace
}  // namespace rwkv::test
