// With little memory a command ends with an answer or says that memory is short; it never aborts.
#include <gtest/gtest.h>
#include <sys/wait.h>

#include <cstdlib>
#include <sstream>

#include "command.h"

namespace rwkv {
namespace {

// `rwkv ARGUMENTS` with so many megabytes of addresses.
// `rest` goes in once the first load of `input` has ended.
test::CommandResult limited(int megabytes, const std::string& arguments, const std::string& input = "",
                            const std::string& rest = "") {
  const test::ScratchFolder scratch;
  const auto file = [&](const char* name) { return (scratch.path() / name).string(); };
  test::write_file(file("in"), input);
  test::write_file(file("rest"), rest);
  test::write_file(file("out"), "");
  const std::string wait = "until grep -qE '\"(loaded|failedInLoading)\"' '" + file("out") + "'; do sleep 0.05; done";
  const std::string feed =
      rest.empty() ? "cat '" + file("in") + "'" : "cat '" + file("in") + "'; " + wait + "; cat '" + file("rest") + "'";
  // The limit is the command's alone, and so is the exit code.
  const std::string line = "{ " + feed + "; } | { ulimit -v " + std::to_string(megabytes * 1024) +
                           "; exec '" RWKV_BINARY_DIR "/bin/rwkv' " + arguments + " >'" + file("out") + "' 2>'" +
                           file("err") + "'; }";
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
    const auto result =
        limited(megabytes, "generate -m '" RWKV_SOURCE_DIR "/models/tiny/rwkv7-tiny.gguf' -n 4 -p Hello");
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

TEST(MemoryLimit, AFileThatIsLargerThanTheAddressesSaysSo) {
  if (!kCanBeLimited) GTEST_SKIP();
  const test::ScratchFolder scratch;
  const std::string large = scratch.path() / "large.gguf";
  test::write_file(large, "GGUF");
  std::filesystem::resize_file(large, 700'000'000);
  for (const char* command : {"info", "tokenize a -m", "chat -p Hi -m", "logits -p Hi -m"}) {
    const auto result = limited(500, command + (" '" + large + "'"));
    EXPECT_GT(result.exit_code, 0);
    EXPECT_LT(result.exit_code, 100);
    EXPECT_NE(result.err.find("667 MB"), std::string::npos) << result.err;
    EXPECT_NE(result.err.find("ulimit -v"), std::string::npos) << result.err;
  }
}

std::string load(int id) {
  return R"({"type":"LoadRWKVModel","requestId":)" + std::to_string(id) +
         R"(,"modelPath":")" RWKV_SOURCE_DIR
         R"(/models/tiny/rwkv7-tiny.gguf","backend":"llama.cpp","tokenizerPath":""})"
         "\n";
}

TEST(MemoryLimit, ModelsUntilThereIsNoRoomAreOutOfMemoryAndTheOthersStay) {
  if (!kCanBeLimited) GTEST_SKIP();
  // One alone, then many at once, whose threads may take from each other what each would need.
  std::string rest;
  for (int i = 2; i <= 20; ++i) rest += load(i);
  rest += R"({"type":"GetLoadedModelIDs","requestId":21})"
          "\n";
  const auto result = limited(500, "bridge", load(1), rest);
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
  EXPECT_NE(result.out.find(R"("loadedModelIDs":[0)"), std::string::npos) << "the first one stays: " << result.out;
}

// What each could need at worst must not be counted for all of them at once: one after the other, six or seven fit.
TEST(MemoryLimit, LoadsAtOnceAreNotRefusedForEachOther) {
  if (!kCanBeLimited) GTEST_SKIP();
  std::string loads;
  for (int i = 1; i <= 20; ++i) loads += load(i);
  const auto result = limited(500, "bridge", loads);
  EXPECT_EQ(result.exit_code, 0) << result.err;
  int loaded = 0;
  std::istringstream lines(result.out);
  for (std::string line; std::getline(lines, line);) {
    if (line.find(R"("status":"loaded")") != std::string::npos) ++loaded;
  }
  EXPECT_GE(loaded, 4) << result.out;
}

}  // namespace
}  // namespace rwkv
