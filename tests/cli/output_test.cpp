// What cannot be written is not a success.
#include <gtest/gtest.h>

#include <chrono>
#include <csignal>
#include <cstdlib>

#include "command.h"

namespace rwkv::test {
namespace {

struct ShellResult {
  int exit_code = -1;
  std::string err;
};

/// A line of sh in which $rwkv is the program and $model the shipped model.
ShellResult in_shell(const std::string& line) {
  const ScratchFolder scratch;
  const std::string program = (std::filesystem::path(RWKV_BINARY_DIR) / "bin" / "rwkv").string();
  const std::string err = (scratch.path() / "err").string();
  std::signal(SIGPIPE, SIG_DFL);  // as in a shell, whatever the tests were started from
  const int status = std::system(("exec 2>'" + err + "'; rwkv='" + program + "' model='" + kModel.string() + "' dir='" +
                                  scratch.path().string() + "'\n" + line)
                                     .c_str());
  return {WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status), read_file(err)};
}

TEST(Output, ThatIsLostIsAFailureInEveryCommand) {
  const std::string vocabulary = kVocabulary.string();
  for (const std::string command :
       {"--help", "--version", "chat --help", "backends", "pull --list", "info $model --json", "info $model",
        "tokenize -m $model Hi", "tokenize -m $model --decode 34", "logits -m $model --tokens 34",
        "logits -m $model --tokens 34 --top 3", "chat -m $model -q -p Hi", "chat -m $model -q --json -p Hi",
        "generate -m $model -q -p Hi -n 4", "generate -m $model --json -p Hi -n 4", "bench -m $model -p 8 -n 2 -r 1"}) {
    for (const char* where : {"> /dev/full", ">&-"}) {
      const ShellResult result = in_shell("$rwkv " + command + " " + where);
      EXPECT_EQ(result.exit_code, 1) << command << where << ": " << result.err;
      EXPECT_NE(result.err.find("cannot write to standard output"), std::string::npos)
          << command << where << result.err;
    }
  }
}

TEST(Output, ThatIsLostEndsTheGeneration) {
  const ScratchFolder scratch;
  const auto script = scratch.path() / "model.json";
  write_file(script,
             R"({"rwkv_script": 1, "decode_us": 20000, "replies": [{"say": ")" + std::string(2000, 'y') + R"("}]})");
  for (const std::string command : {"generate -n 2000 -p Hi", "chat -n 2000 -p Hi"}) {
    const auto start = std::chrono::steady_clock::now();
    EXPECT_EQ(in_shell("$rwkv " + command + " -m '" + script.string() + "' > /dev/full").exit_code, 1);
    EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(15)) << "the whole answer takes 40 s";
  }
}

TEST(Output, ToAClosedPipeEndsQuietly) {
  const ShellResult result = in_shell("{ sleep 0.3; $rwkv pull --list; echo status $? >&2; } | true");
  EXPECT_EQ(result.err, "status " + std::to_string(128 + SIGPIPE) + "\n");
}

TEST(Output, NeverGoesIntoAFileThatTookTheStreamsPlace) {
  const ShellResult result = in_shell("$rwkv convert '" + std::string(RWKV_SOURCE_DIR) +
                                      "/tests/data/convert/rwkv6.pth' $dir/model.st >&-; code=$?\n"
                                      "tail -c 200 $dir/model.st | grep -q parameters && exit 99; exit $code");
  EXPECT_EQ(result.exit_code, 1) << result.err;
}

TEST(Output, StandardInputThatCannotBeReadIsAFailure) {
  for (const char* command : {"tokenize -m $model", "generate -m $model"}) {
    for (const char* from : {"< /", "<&-"}) {
      const ShellResult result = in_shell(std::string("$rwkv ") + command + " " + from);
      EXPECT_EQ(result.exit_code, 1) << command << from;
      EXPECT_NE(result.err.find("cannot read standard input"), std::string::npos) << result.err;
    }
  }
}

TEST(Output, ControlCharactersInNamesAreShownAndNotObeyed) {
  const CommandResult missing = rwkv({"info", "/no/such\x1b[31m\xc2\x9bmodel"});
  EXPECT_NE(missing.err.find("/no/such\\x1B[31m\\u009Bmodel"), std::string::npos) << missing.err;
  const CommandResult unknown = rwkv({"info", "--\x1b[31m"});
  EXPECT_EQ(unknown.err.find('\x1b'), std::string::npos) << unknown.err;
  const CommandResult chinese = rwkv({"info", "/没有/模型"});
  EXPECT_NE(chinese.err.find("/没有/模型"), std::string::npos) << chinese.err;
}

}  // namespace
}  // namespace rwkv::test
