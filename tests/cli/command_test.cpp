#include "command.h"

#include <gtest/gtest.h>

#include <cmath>
#include <nlohmann/json.hpp>

namespace rwkv::test {
namespace {

using nlohmann::json;

const std::vector<std::string> kQuestion{"chat", "-m", kModel, "--greedy", "-q", "-p", "What is the capital of Japan?"};

TEST(Command, ChatAnswersAQuestion) {
  const CommandResult result = rwkv(kQuestion);
  EXPECT_EQ(result.exit_code, 0) << result.err;
  EXPECT_EQ(result.out, "Tokyo.\n");
  EXPECT_EQ(result.err, "");
}

TEST(Command, ChatRemembersTheConversation) {
  const CommandResult result = rwkv({"chat", "-m", kModel, "--greedy", "-q"}, "My name is Mira.\nWhat is my name?\n");
  EXPECT_EQ(result.exit_code, 0) << result.err;
  EXPECT_NE(result.out.find("Your name is Mira."), std::string::npos) << result.out;
}

TEST(Command, EveryCommandHasHelp) {
  for (const char* name : {"info", "chat", "generate", "tokenize", "logits", "bench", "eval", "backends", "convert"}) {
    const CommandResult result = rwkv({name, "--help"});
    EXPECT_EQ(result.exit_code, 0) << name;
    EXPECT_NE(result.out.find("Usage"), std::string::npos) << name;
    EXPECT_NE(result.out.find("--json"), std::string::npos) << name;
  }
}

TEST(Command, JsonHasTextReasonAndCounts) {
  std::vector<std::string> arguments = kQuestion;
  arguments.push_back("--json");
  const CommandResult result = rwkv(arguments);
  const json answer = json::parse(result.out);
  EXPECT_EQ(answer["text"], "Tokyo.");
  EXPECT_EQ(answer["reason"], "eos");
  EXPECT_GT(answer["promptTokens"], 5);
  EXPECT_EQ(answer["generatedTokens"], answer["tokens"].size());
  EXPECT_GT(answer["decodeSpeed"], 0.0);
}

TEST(Command, LogitsEqualTheIndependentReference) {
  const json fixtures = json::parse(read_file(std::filesystem::path(RWKV_SOURCE_DIR) / "tests/data/tiny/logits.json"));
  const json& cases = fixtures.is_array() ? fixtures : fixtures.at("cases");
  int compared = 0;
  for (const json& fixture : cases) {
    if (!fixture.contains("logits")) continue;
    std::string tokens;
    for (const json& token : fixture["tokens"]) tokens += (tokens.empty() ? "" : ",") + token.dump();
    const CommandResult result = rwkv({"logits", "-m", kModel, "--tokens", tokens});
    ASSERT_EQ(result.exit_code, 0) << result.err;
    const json given = json::parse(result.out);
    EXPECT_EQ(given["argmax"], fixture["argmax"]) << fixture["name"];
    ASSERT_EQ(given["logits"].size(), fixture["logits"].size());
    for (std::size_t i = 0; i < given["logits"].size(); ++i) {
      ASSERT_NEAR(given["logits"][i].get<double>(), fixture["logits"][i].get<double>(), 1e-3)
          << fixture["name"] << " logit " << i;
    }
    ++compared;
  }
  EXPECT_GE(compared, 7);
}

TEST(Command, TokensTurnBackIntoTheText) {
  const std::string text = "User: 你好, reverse \"abc\"!";
  const json tokens = json::parse(rwkv({"tokenize", "-m", kModel, "--json", text}).out);
  std::string ids;
  for (const json& id : tokens["tokens"]) ids += (ids.empty() ? "" : ",") + id.dump();
  EXPECT_EQ(rwkv({"tokenize", "-m", kModel, "--decode", ids}).out, text + "\n");
}

TEST(Command, VocabularyFileAndModelGiveTheSameTokens) {
  for (const char* text : {"Hello! What is 12 + 34?", "我叫小明。你好", "\n\n\t<think>😀"}) {
    EXPECT_EQ(rwkv({"tokenize", "-m", kModel, text}).out, rwkv({"tokenize", "--vocab", kVocabulary, text}).out);
  }
}

TEST(Command, SameSeedSameTextAndAnotherPromptAnotherText) {
  const auto text = [](const char* prompt, const char* seed) {
    return rwkv({"generate", "-m", kModel, "-p", prompt, "-n", "40", "--top-p", "1", "--seed", seed, "-q"}).out;
  };
  EXPECT_EQ(text("User: What", "5"), text("User: What", "5"));
  EXPECT_NE(text("User: What", "5"), text("User: What", "6"));
  EXPECT_NE(text("User: What", "5"), text("Assistant: I", "5"));
}

TEST(Command, InfoSaysWhatTheModelIs) {
  const json info = json::parse(rwkv({"info", kModel, "--json"}).out);
  EXPECT_EQ(info["architecture"], "rwkv7");
  EXPECT_EQ(info["headSize"], 64);
  EXPECT_EQ(info["fileBytes"], std::filesystem::file_size(kModel));
  EXPECT_EQ(info["batchSizes"].back(), 16);  // as many as `serve` lets it write
  EXPECT_GE(info["privateBytesPerFurtherSequence"], info["stateBytes"]);
}

TEST(Command, BackendsListsLlamaCppAsAvailable) {
  const json list = json::parse(rwkv({"backends", "--json"}).out);
  ASSERT_GE(list.size(), 1u);
  EXPECT_EQ(list[0]["name"], "llama.cpp");
  EXPECT_EQ(list[0]["available"], true);
}

TEST(Command, BenchReportsBothSpeeds) {
  const json speeds = json::parse(rwkv({"bench", "-m", kModel, "-p", "32", "-n", "8", "-r", "1", "--json"}).out);
  EXPECT_GT(speeds["prefillSpeed"], 0.0);
  EXPECT_GT(speeds["decodeSpeed"], 0.0);
}

TEST(Command, InterruptStopsTheAnswerAndSaysSo) {
  // Without a stop token and practically without a limit only Ctrl-C ends this.
  const CommandResult result =
      rwkv({"generate", "-m", kModel, "-p", "User: ", "-n", "1000000000", "--stop-token", "-1"}, "", 200);
  EXPECT_EQ(result.exit_code, 130) << result.err;
  EXPECT_NE(result.err.find("cancelled"), std::string::npos) << result.err;
}

}  // namespace
}  // namespace rwkv::test
