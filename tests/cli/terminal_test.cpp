// The command on a terminal, as a person has it.
#include <gtest/gtest.h>
#include <poll.h>
#include <pty.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <string>

#include "support/scratch.h"

namespace rwkv::test {
namespace {

/// `rwkv ARGUMENTS` on a pseudo-terminal of the kind TERM.
class Terminal {
 public:
  explicit Terminal(std::vector<std::string> arguments, const char* term = "xterm") {
    child_ = forkpty(&master_, nullptr, nullptr, nullptr);
    if (child_ != 0) return;
    setenv("TERM", term, 1);
    const std::string program = (std::filesystem::path(RWKV_BINARY_DIR) / "bin" / "rwkv").string();
    std::vector<char*> argv{const_cast<char*>(program.c_str())};
    for (std::string& argument : arguments) argv.push_back(argument.data());
    argv.push_back(nullptr);
    execv(program.c_str(), argv.data());
    _exit(127);
  }
  Terminal(const Terminal&) = delete;
  Terminal& operator=(const Terminal&) = delete;
  ~Terminal() {
    if (child_ > 0) {
      kill(child_, SIGKILL);
      waitpid(child_, nullptr, 0);
    }
    close(master_);
  }

  void type(const std::string& keys) {
    ASSERT_EQ(write(master_, keys.data(), keys.size()), static_cast<ssize_t>(keys.size()));
  }

  /// Reads the screen until `text` has appeared after what was seen before. False after some seconds without it.
  bool shows(const std::string& text) {
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(20);
    while (true) {
      const std::size_t at = screen_.find(text, seen_);
      if (at != std::string::npos) {
        seen_ = at + text.size();
        return true;
      }
      pollfd ready{master_, POLLIN, 0};
      if (std::chrono::steady_clock::now() > deadline) return false;
      if (poll(&ready, 1, 100) <= 0) continue;
      char chunk[4096];
      const ssize_t n = read(master_, chunk, sizeof chunk);
      if (n <= 0) return screen_.find(text, seen_) != std::string::npos;
      screen_.append(chunk, static_cast<std::size_t>(n));
    }
  }

  int exit_code() {
    while (shows("\x01never")) {
    }
    int status = 0;
    waitpid(child_, &status, 0);
    child_ = -1;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  }

  const std::string& screen() const { return screen_; }

 private:
  pid_t child_ = -1;
  int master_ = -1;
  std::string screen_;
  std::size_t seen_ = 0;
};

TEST(Terminal, CtrlCStopsTheAnswerAndNotTheConversation) {
  const ScratchFolder scratch;
  const auto script = scratch.path() / "model.json";
  write_file(script, R"({"rwkv_script": 1, "decode_us": 20000, "replies": [{"when": "long", "say": ")" +
                         std::string(2000, 'y') + R"("}, {"say": "Short."}]})");
  Terminal terminal({"chat", "-m", script.string()});
  ASSERT_TRUE(terminal.shows("> ")) << terminal.screen();
  terminal.type("a long one\n");
  ASSERT_TRUE(terminal.shows("yyyyy")) << terminal.screen();
  terminal.type("\x03");
  ASSERT_TRUE(terminal.shows("cancelled")) << terminal.screen();
  ASSERT_TRUE(terminal.shows("> ")) << terminal.screen();
  terminal.type("and now\n");
  ASSERT_TRUE(terminal.shows("Short.")) << terminal.screen();
  ASSERT_TRUE(terminal.shows("> ")) << terminal.screen();
  terminal.type("/help\n");
  ASSERT_TRUE(terminal.shows("/quit")) << terminal.screen();
  ASSERT_TRUE(terminal.shows("> ")) << terminal.screen();
  terminal.type("\x03");  // at the prompt it only says how to leave
  ASSERT_TRUE(terminal.shows("leaves")) << terminal.screen();
  terminal.type("/quit\n");
  EXPECT_EQ(terminal.exit_code(), 0) << terminal.screen();
}

TEST(Terminal, AQuestionStoppedBeforeItsAnswerLeavesNothingBehind) {
  const ScratchFolder scratch;
  const auto script = scratch.path() / "model.json";
  write_file(script, R"({"rwkv_script": 1, "prefill_us": 30000, "replies": [{"say": "Well."}]})");
  const auto prompt_tokens = [](Terminal& terminal) {
    EXPECT_TRUE(terminal.shows("\"promptTokens\":")) << terminal.screen();
    EXPECT_TRUE(terminal.shows(",")) << terminal.screen();
    const std::size_t at = terminal.screen().rfind("\"promptTokens\":");
    return std::stoi(terminal.screen().substr(at + 15));
  };
  Terminal fresh({"chat", "--json", "-m", script.string()});
  ASSERT_TRUE(fresh.shows("> ")) << fresh.screen();
  fresh.type("Hi\n");
  const int expected = prompt_tokens(fresh);

  Terminal terminal({"chat", "--json", "-m", script.string()});
  ASSERT_TRUE(terminal.shows("> ")) << terminal.screen();
  terminal.type("a long question " + std::string(200, 'x') + "\n");
  ASSERT_TRUE(terminal.shows("xxx\r\n")) << terminal.screen();
  usleep(300000);  // 6 s are needed to read it
  terminal.type("\x03");
  ASSERT_TRUE(terminal.shows("cancelled")) << terminal.screen();
  ASSERT_TRUE(terminal.shows("> ")) << terminal.screen();
  terminal.type("Hi\n");
  EXPECT_EQ(prompt_tokens(terminal), expected) << terminal.screen();
}

// Where lines are edited they have no such end.
TEST(Terminal, ALineThatTheTerminalCutIsSaidToBeCut) {
  const ScratchFolder scratch;
  const auto script = scratch.path() / "model.json";
  write_file(script, R"({"rwkv_script": 1, "replies": [{"say": "Well."}]})");
  Terminal terminal({"chat", "-m", script.string()}, "dumb");
  ASSERT_TRUE(terminal.shows("> ")) << terminal.screen();
  for (int i = 0; i < 5; ++i) terminal.type(std::string(1000, 'x'));
  terminal.type("\n");
  EXPECT_TRUE(terminal.shows("4095")) << terminal.screen();
  EXPECT_TRUE(terminal.shows("Well.")) << terminal.screen();
  ASSERT_TRUE(terminal.shows("> ")) << terminal.screen();
  terminal.type("/usr\n");
  EXPECT_TRUE(terminal.shows("There is no command")) << terminal.screen();
}

class EditedChat : public testing::Test {
 protected:
  // Tells whether "beta" was in the question.
  EditedChat() {
    write_file(script_, R"({"rwkv_script": 1, "replies": [{"when": "beta", "say": "Second."}, {"say": "First."}]})");
  }
  const ScratchFolder scratch_;
  const std::filesystem::path script_ = scratch_.path() / "model.json";
};

TEST_F(EditedChat, APasteOfSeveralLinesIsOneQuestion) {
  Terminal terminal({"chat", "-m", script_.string()});
  ASSERT_TRUE(terminal.shows("> ")) << terminal.screen();
  terminal.type("\x1b[200~alpha\nbeta\ngamma\x1b[201~");
  terminal.type("\n");
  EXPECT_TRUE(terminal.shows("Second.")) << terminal.screen();
  EXPECT_EQ(terminal.screen().find("First."), std::string::npos) << terminal.screen();
}

TEST_F(EditedChat, ArrowKeysEditAndRecallAndReachNoModel) {
  Terminal terminal({"chat", "-m", script_.string()});
  ASSERT_TRUE(terminal.shows("> ")) << terminal.screen();
  terminal.type("bet!\x1b[D\x7f");  // left of the mark, and the letter before goes
  terminal.type("ta\x1b[C\n");
  EXPECT_TRUE(terminal.shows("Second.")) << terminal.screen();
  ASSERT_TRUE(terminal.shows("> ")) << terminal.screen();
  terminal.type("alpha\n");
  EXPECT_TRUE(terminal.shows("First.")) << terminal.screen();
  ASSERT_TRUE(terminal.shows("> ")) << terminal.screen();
  terminal.type("\x1b[A\x1b[A\n");
  EXPECT_TRUE(terminal.shows("Second.")) << terminal.screen();
  EXPECT_EQ(terminal.screen().find("^[["), std::string::npos) << terminal.screen();
}

TEST_F(EditedChat, ALineMayBeLongerThanATerminalsOwn) {
  Terminal terminal({"chat", "-m", script_.string()});
  ASSERT_TRUE(terminal.shows("> ")) << terminal.screen();
  for (int i = 0; i < 6; ++i) terminal.type(std::string(999, 'x'));
  terminal.type("beta\n");
  EXPECT_TRUE(terminal.shows("Second.")) << terminal.screen();
}

TEST_F(EditedChat, ADumbTerminalGetsNoEscapes) {
  Terminal terminal({"chat", "-m", script_.string()}, "dumb");
  ASSERT_TRUE(terminal.shows("> ")) << terminal.screen();
  terminal.type("beta\n");
  EXPECT_TRUE(terminal.shows("Second.")) << terminal.screen();
  EXPECT_EQ(terminal.screen().find('\x1b'), std::string::npos) << terminal.screen();
}

TEST(Terminal, GenerateWithoutATextSaysHowToGiveOne) {
  Terminal terminal({"generate", "-m", kModel.string()});
  EXPECT_TRUE(terminal.shows("-p")) << terminal.screen();
  EXPECT_EQ(terminal.exit_code(), 2);
}

TEST(Terminal, CtrlCEndsReadingOfATextToTokenize) {
  Terminal terminal({"tokenize", "-m", kModel.string()});
  terminal.type("some text\n");
  ASSERT_TRUE(terminal.shows("some text")) << terminal.screen();
  usleep(500000);  // until the model is loaded
  terminal.type("\x03");
  EXPECT_EQ(terminal.exit_code(), 130) << terminal.screen();
}

TEST(Terminal, LoadingShowsItsProgress) {
  const ScratchFolder scratch;
  const auto script = scratch.path() / "model.json";
  write_file(script, R"({"rwkv_script": 1, "load_ms": 600, "replies": [{"say": "Hi."}]})");
  Terminal terminal({"chat", "-m", script.string(), "-p", "Hello"});
  EXPECT_TRUE(terminal.shows("loading ")) << terminal.screen();
  EXPECT_TRUE(terminal.shows("Hi.")) << terminal.screen();
  EXPECT_TRUE(terminal.shows("tokens/s")) << terminal.screen();
  EXPECT_EQ(terminal.exit_code(), 0);
}

}  // namespace
}  // namespace rwkv::test
