// With little memory a command ends with an answer or says that memory is short; it never aborts.
#include <gtest/gtest.h>
#include <sys/wait.h>

#include <cstdlib>
#include <sstream>

#include "command.h"

namespace rwkv {
namespace {

// `rwkv ARGUMENTS` with so many megabytes of addresses.
test::CommandResult limited(int megabytes, const std::string& arguments, const std::string& input = "") {
  const test::ScratchFolder scratch;
  const auto file = [&](const char* name) { return (scratch.path() / name).string(); };
  test::write_file(file("in"), input);
  const std::string line = "ulimit -v " + std::to_string(megabytes * 1024) + "; exec '" RWKV_BINARY_DIR "/bin/rwkv' " +
                           arguments + " <'" + file("in") + "' >'" + file("out") + "' 2>'" + file("err") + "'";
  const int status = std::system(line.c_str());
  test::CommandResult result;
  result.exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  result.out = test::read_file(file("out"));
  result.err = test::read_file(file("err"));
  return result;
}

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr bool kCanBeLimited = false;  // a sanitizer takes terabytes of addresses
#else
constexpr bool kCanBeLimited = true;
#endif

TEST(MemoryLimit, EachEndsWithAnAnswerOrAMessageAboutMemory) {
  if (!kCanBeLimited) GTEST_SKIP();
  int answered = 0;
  for (int megabytes = 25; megabytes <= 115; megabytes += 9) {
    const auto result = limited(megabytes, "generate -m '" RWKV_SOURCE_DIR "/models/tiny/rwkv7-tiny.gguf' -n 4 -p Hello");
    if (result.exit_code == 127) continue;  // the loader of the system could not even map the program
    if (result.exit_code == 0) {
      ++answered;
    } else {
      EXPECT_LT(result.exit_code, 100) << megabytes << " MB: " << result.err;
      EXPECT_NE(result.err.find("memory"), std::string::npos) << megabytes << " MB: " << result.err;
    }
  }
  EXPECT_GE(answered, 1);
}

TEST(MemoryLimit, ModelsUntilThereIsNoRoomAreOutOfMemoryAndTheOthersStay) {
  if (!kCanBeLimited) GTEST_SKIP();
  constexpr int kModels = 20;
  std::string input;
  for (int i = 1; i <= kModels; ++i) {
    input += R"({"type":"LoadRWKVModel","requestId":)" + std::to_string(i) +
             R"(,"modelPath":")" RWKV_SOURCE_DIR R"(/models/tiny/rwkv7-tiny.gguf","backend":"llama.cpp","tokenizerPath":""})"
             "\n";
  }
  const auto result = limited(500, "bridge", input);
  EXPECT_EQ(result.exit_code, 0) << result.err;
  int loaded = 0;
  int refused = 0;
  std::istringstream lines(result.out);
  for (std::string line; std::getline(lines, line);) {
    if (line.find(R"("status":"loaded")") != std::string::npos) ++loaded;
    if (line.find(R"("code":")") == std::string::npos) continue;
    ++refused;
    EXPECT_NE(line.find(R"("code":"out_of_memory")"), std::string::npos) << line;
  }
  EXPECT_GE(loaded, 1);
  EXPECT_GE(refused, 1);
}

}  // namespace
}  // namespace rwkv
