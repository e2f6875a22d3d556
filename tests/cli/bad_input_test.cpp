// Whatever is thrown at the command: a clear error or a right result, never a crash.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <random>

#include "command.h"

namespace rwkv::test {
namespace {

constexpr int kUsage = 2;
constexpr int kBadFile = 3;

CommandResult ask(const std::string& model, const std::string& question, const std::vector<std::string>& more = {}) {
  std::vector<std::string> arguments{"chat", "-m", model, "--greedy", "-p", question};
  arguments.insert(arguments.end(), more.begin(), more.end());
  return rwkv(arguments);
}

void expect_refused(const CommandResult& result, int exit_code, const std::string& named) {
  EXPECT_EQ(result.exit_code, exit_code) << result.err;
  EXPECT_NE(result.err.find(named), std::string::npos) << result.err;
  EXPECT_EQ(result.out, "");
}

TEST(BadInput, MissingFileIsNamed) {
  expect_refused(rwkv({"info", "/no/such/model.gguf"}), kBadFile, "/no/such/model.gguf");
}

TEST(BadInput, AFolderIsNotAModel) {
  const ScratchFolder scratch;
  expect_refused(rwkv({"info", scratch.path()}), kBadFile, scratch.path());
}

TEST(BadInput, EmptyFileIsRefused) {
  const ScratchFolder scratch;
  const auto path = scratch.path() / "empty.gguf";
  write_file(path, "");
  expect_refused(rwkv({"info", path}), kBadFile, "empty.gguf");
}

TEST(BadInput, AFileOfAnUnsupportedVersionIsABadFile) {
  const ScratchFolder scratch;
  const auto path = scratch.path() / "old.gguf";
  write_file(path, std::string("GGUF\1\0\0\0", 8));
  expect_refused(rwkv({"info", path}), kBadFile, "GGUF version 1");
}

TEST(BadInput, AModelCutAnywhereIsRefused) {
  const ScratchFolder scratch;
  const auto path = scratch.path() / "cut.gguf";
  const std::string whole = read_file(kModel);
  ASSERT_GT(whole.size(), 100000u);
  // The readers' tests cut at every byte.
  for (std::size_t size = 4096; size < whole.size(); size += whole.size() / 64) {
    write_file(path, whole.substr(0, size));
    const CommandResult result = rwkv({"info", path});
    ASSERT_EQ(result.exit_code, kBadFile) << "cut at " << size << ": " << result.err;
    ASSERT_NE(result.err.find("cut.gguf"), std::string::npos) << result.err;
  }
}

TEST(BadInput, AModelWithFlippedBitsIsRefusedOrRuns) {
  const ScratchFolder scratch;
  const auto path = scratch.path() / "flipped.gguf";
  const std::string whole = read_file(kModel);
  std::mt19937 random(11);
  for (int round = 0; round < 150; ++round) {
    std::string bytes = whole;
    // Two thirds of the flips go into the header, where the structure is.
    const std::size_t range = round % 3 == 0 ? bytes.size() : 24000;
    for (int flips = 0; flips < 1 + round % 4; ++flips)
      bytes[random() % range] ^= static_cast<char>(1u << (random() % 8));
    write_file(path, bytes);
    const CommandResult result = ask(path, "Hi", {"-n", "3"});
    ASSERT_TRUE(result.exit_code == 0 || result.exit_code == kBadFile || result.exit_code == 1)
        << "round " << round << " ended with " << result.exit_code << ": " << result.err;
  }
}

TEST(BadInput, AModelWithoutItsOptionIsToldTheOption) {
  expect_refused(rwkv({"generate", "some model.gguf", "-p", "Hi"}), kUsage, "named with -m");
}

TEST(BadInput, NotAModelAtAll) {
  expect_refused(rwkv({"info", std::string(RWKV_SOURCE_DIR) + "/README.md"}), kBadFile, "README.md");
}

TEST(BadInput, WrongVocabularyIsRefused) {
  const ScratchFolder scratch;
  const auto path = scratch.path() / "vocab.txt";
  std::string text = read_file(kVocabulary);
  const std::size_t at = text.find("'A'");
  ASSERT_NE(at, std::string::npos);
  std::string swapped = text;
  swapped[at + 1] = 'B';
  swapped[text.find("'B'") + 1] = 'A';
  write_file(path, swapped);
  expect_refused(rwkv({"chat", "-m", kModel, "--vocab", path, "-p", "Hi"}), kBadFile, "vocab.txt");
  write_file(path, text + "100000 'zzzzzz' 6\n");
  expect_refused(rwkv({"chat", "-m", kModel, "--vocab", path, "-p", "Hi"}), kBadFile, "vocab.txt");
  write_file(path, "1 'a' 1\nnonsense\n");
  expect_refused(rwkv({"chat", "-m", kModel, "--vocab", path, "-p", "Hi"}), kBadFile, "vocab.txt");
}

TEST(BadInput, AnEmptyPromptWorks) {
  EXPECT_EQ(rwkv({"generate", "-m", kModel, "-p", "", "-n", "4"}).exit_code, 0);
  EXPECT_EQ(rwkv({"chat", "-m", kModel, "-q"}, "\n\n").exit_code, 0);
}

TEST(BadInput, NothingIsInterpretedInInvalidUtf8AndTheAnswerIsValid) {
  const CommandResult result = ask(kModel, "\xFF\xFE\xC3\x28 caf\xC3", {"--json", "-n", "20"});
  EXPECT_EQ(result.exit_code, 0) << result.err;
  EXPECT_TRUE(nlohmann::json::accept(result.out)) << result.out;
}

TEST(BadInput, AMegabyteOfPromptIsReadInPieces) {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  constexpr std::size_t kBytes = 1u << 16;  // the same way in less time
#else
  constexpr std::size_t kBytes = 1u << 20;
#endif
  std::string text;
  while (text.size() < kBytes) text += "What is the capital of France? ";
  const CommandResult result = rwkv({"chat", "-m", kModel, "--greedy", "--json", "-n", "4"}, text + "\n");
  EXPECT_EQ(result.exit_code, 0) << result.err;
  EXPECT_GT(nlohmann::json::parse(result.out)["promptTokens"], kBytes / 10);
}

TEST(BadInput, ZeroTokensOnlyReadsThePrompt) {
  const CommandResult result = ask(kModel, "Hi", {"-n", "0", "--json"});
  EXPECT_EQ(result.exit_code, 0);
  const auto answer = nlohmann::json::parse(result.out);
  EXPECT_EQ(answer["text"], "");
  EXPECT_EQ(answer["reason"], "length");
}

TEST(BadInput, AbsurdNumbersAreUsageErrorsOrClamped) {
  for (const std::vector<std::string>& more : std::vector<std::vector<std::string>>{{"-n", "-5"},
                                                                                    {"-n", "99999999999999999999"},
                                                                                    {"-n", "many"},
                                                                                    {"-t", "-3"},
                                                                                    {"--temp", "nan"},
                                                                                    {"--top-p", "inf"},
                                                                                    {"--presence", "nan"},
                                                                                    {"--top-k", "1e99"},
                                                                                    {"--no-such-option"}}) {
    EXPECT_EQ(ask(kModel, "Hi", more).exit_code, kUsage) << more[0];
  }
  for (const std::vector<std::string>& more : std::vector<std::vector<std::string>>{{"-n", "5", "--temp", "1e30"},
                                                                                    {"-n", "5", "--top-k", "-7"},
                                                                                    {"-n", "5", "--top-p", "-2"},
                                                                                    {"-n", "5", "-t", "64"}}) {
    EXPECT_EQ(ask(kModel, "Hi", more).exit_code, 0) << more[2];
  }
}

TEST(BadInput, TokensOutsideTheVocabularyAreRefused) {
  for (const char* tokens : {"-1", "999999", "1,2,70000"}) {
    expect_refused(rwkv({"logits", "-m", kModel, std::string("--tokens=") + tokens}), kUsage, "token");
  }
}

TEST(BadInput, UnknownBackendNamesTheOnesThereAre) {
  expect_refused(rwkv({"info", kModel, "--backend", "qnn"}), kUsage, "llama.cpp");
  expect_refused(rwkv({"info", "/no/such/model.gguf", "--backend", "qnn"}), kUsage, "qnn");
}

TEST(BadInput, AModelOfAnotherArchitectureIsABadFile) {
  const ScratchFolder scratch;
  const auto path = scratch.path() / "llama.gguf";
  std::string bytes = read_file(kModel);
  const std::size_t at = bytes.find("general.architecture");
  ASSERT_NE(at, std::string::npos);
  bytes.replace(bytes.find("rwkv7", at), 5, "llama");
  write_file(path, bytes);
  expect_refused(rwkv({"info", path}), kBadFile, "llama");
  expect_refused(rwkv({"tokenize", "-m", path, "Hi"}), kBadFile, "llama");
}

// Blanks separate as well: what `rwkv tokenize` prints can be given back.
TEST(BadInput, TokenListsAreNumbersBetweenCommas) {
  for (const std::string tokens : {"", " ", "1,,2", ",", "1,", "1, ,2", "1,x", "1 x", "99999999999"}) {
    expect_refused(rwkv({"logits", "-m", kModel, "--tokens", tokens}), kUsage, "is not a token id");
    expect_refused(rwkv({"tokenize", "-m", kModel, "--decode", tokens}), kUsage, "is not a token id");
  }
  EXPECT_EQ(rwkv({"logits", "-m", kModel, "--tokens", "1, 2", "--top", "1"}).exit_code, 0);
  const std::string printed = rwkv({"tokenize", "-m", kModel, "Hi there"}).out;
  EXPECT_EQ(rwkv({"tokenize", "-m", kModel, "--decode", printed}).out, "Hi there\n");
}

TEST(BadInput, TokensThatTheVocabularyLacksAreNotDecoded) {
  expect_refused(rwkv({"tokenize", "-m", kModel, "--decode", "34,999999"}), kUsage, "999999");
  expect_refused(rwkv({"tokenize", "-m", kModel, "--decode=-1"}), kUsage, "-1");
  EXPECT_EQ(rwkv({"tokenize", "-m", kModel, "--decode", "0"}).out, "\n");
}

TEST(BadInput, UsageErrorsNameTheWordAndTheRange) {
  expect_refused(rwkv({"bogus"}), kUsage, "'bogus'");
  expect_refused(rwkv({"chat", "--nope"}), kUsage, "'--nope'");
  expect_refused(rwkv({"chat"}), kUsage, "--model is required");
  for (const char* number : {"-1", "1e12", "2147483648"}) {
    for (const char* command : {"chat", "generate"}) {
      expect_refused(rwkv({command, "-m", kModel, "-p", "Hi", "--max-tokens", number}), kUsage,
                     "range 0 to 2147483647");
    }
  }
  for (const char* seed : {"18446744073709551616", "-1", "", "1x"}) {
    expect_refused(rwkv({"generate", "-m", kModel, "-p", "Hi", "--seed", seed}), kUsage, "18446744073709551615");
  }
  EXPECT_EQ(rwkv({"generate", "-m", kModel, "-p", "Hi", "-n", "1", "--seed", "18446744073709551615"}).exit_code, 0);
  expect_refused(rwkv({"eval", "-m", kModel, "questions", "--min-accuracy", "5"}), kUsage, "--min-accuracy");
}

TEST(BadInput, QuestionsForEvalAreRefusedByLineAndField) {
  const ScratchFolder scratch;
  const auto path = scratch.path() / "questions.jsonl";
  const std::string good = R"({"task": "t", "messages": ["Hi"], "answer": "Hello"})";
  for (const auto& [line, problem] : std::vector<std::pair<std::string, std::string>>{
           {R"({"task": "t", "messages": ["Hi"]})", ":3: 'answer' is missing"},
           {R"({"task": "t", "messages": "Hi", "answer": "x"})", ":3: 'messages' is not a list of texts"},
           {R"({"task": "t", "messages": [], "answer": "x"})", ":3: 'messages' is empty"},
           {R"({"task": 1, "messages": ["Hi"], "answer": "x"})", ":3: 'task' is not a text"},
           {R"({"task": "t", "messages": ["Hi"], "answer": "x", "reasoning": 1})",
            ":3: 'reasoning' is not true or false"},
           {R"({"task": )", ":3: is not JSON"},
           {R"(["t"])", ":3: is not a JSON object"}}) {
    write_file(path, good + "\n\n" + line + "\n");
    expect_refused(rwkv({"eval", "-m", kModel, path}), kBadFile, "questions.jsonl" + problem);
  }
  expect_refused(rwkv({"eval", "-m", kModel, scratch.path()}), kBadFile, "folder");
  expect_refused(rwkv({"eval", "-m", kModel, scratch.path() / "none"}), kBadFile, "No such file");
  write_file(path, "\n");
  expect_refused(rwkv({"eval", "-m", kModel, path}), kBadFile, "holds no questions");
}

TEST(BadInput, LogitsThatAreNoNumbersAreAFailure) {
  const ScratchFolder scratch;
  const auto path = scratch.path() / "nan.gguf";
  std::string bytes = read_file(kModel);
  bytes.replace(bytes.size() - 65536, 65536, 65536, '\xFF');  // NaN in every type of float
  write_file(path, bytes);
  expect_refused(rwkv({"logits", "-m", path, "--tokens", "34"}), 1, "nan");
  expect_refused(rwkv({"logits", "-m", path, "--tokens", "34", "--top", "3"}), 1, "nan");
}

TEST(BadInput, AnEmptyKeyDoesNotServeWithoutOne) {
  expect_refused(rwkv({"serve", "-m", kModel, "--port", "0", "--api-key", ""}), kUsage, "API key is empty");
  setenv("RWKV_API_KEY", "", 1);
  const CommandResult result = rwkv({"serve", "-m", kModel, "--port", "0"});
  unsetenv("RWKV_API_KEY");
  expect_refused(result, kUsage, "RWKV_API_KEY");
}

}  // namespace
}  // namespace rwkv::test
