// Tuned initial states and state files by requests.
#include "bridge/test_client.h"

namespace rwkv::bridge::test {
namespace {

const std::string kTuned = std::string(RWKV_SOURCE_DIR) + "/tests/data/tiny/initial_state.pth";

// The shipped model knows some answers whatever it begins with, so several are asked for.
std::vector<std::string> answers(Client& client, std::int32_t model) {
  std::vector<std::string> texts;
  for (const char* question : {"Hi", "Tell me a story", "x", "What is 47+38?"}) {
    texts.push_back(client.reply(model, {question}));
  }
  return texts;
}

TEST(States, AnInitialStateCountsForTheRequestsAfterIt) {
  Client client;
  const auto model = client.load_tiny();
  client.send(greedy(model));
  client.send(p::SetMaxLength{20, model});
  const std::string tag = "<state src=\"" + kTuned + "\">\n";
  client.send(p::SetPrompt{tag, model});
  const auto as_text = answers(client, model);
  // Not waited for: what comes later sees it.
  const auto load = client.send(p::LoadInitialStates{kTuned, model});
  const auto tuned = answers(client, model);
  EXPECT_NE(tuned, as_text);
  EXPECT_TRUE(client.types(load).empty());
  client.send(p::LoadInitialStates{kTuned, model});
  EXPECT_EQ(answers(client, model), tuned);
  // What is made ready when the prompt is set is right as well.
  client.send(p::ClearStates{model});
  client.send(p::SetPrompt{tag, model});
  client.ask<p::EvaluationResults>(p::RunEvaluation{"a", "b", model});  // comes after it
  EXPECT_EQ(answers(client, model), tuned);
  const auto info = client.ask<p::StateInfo>(p::DumpStateInfo{model}).state_info;
  EXPECT_NE(info.find("text = \"<state src=\"" + kTuned), std::string::npos) << info;
  const auto unload = client.send(p::UnloadInitialStates{kTuned, model});
  EXPECT_EQ(answers(client, model), as_text);
  EXPECT_TRUE(client.types(unload).empty());
}

TEST(States, AnInitialStateThatCannotBeUsedIsAnErrorAndTheModelGoesOn) {
  Client client;
  const auto model = client.load_tiny();
  client.send(greedy(model));
  for (const std::string path : {"/no/such/state.pth", RWKV_SOURCE_DIR "/tests/data/rwkv6/initial_state.pth",
                                 RWKV_SOURCE_DIR "/README.md", ""}) {
    const auto error = client.ask<p::Error>(p::LoadInitialStates{path, model});
    EXPECT_FALSE(error.message.empty());
  }
  client.send(p::UnloadInitialStates{"/no/such/state.pth", model});
  EXPECT_EQ(client.reply(model, {"What is 47+38?"}), "85");
}

TEST(States, HalfPrecisionHalvesTheFileAndItIsReadAgain) {
  Client client;
  const auto model = client.load_tiny();
  client.send(greedy(model));
  const std::vector<std::string> talk{"My name is Mira.", "Nice to meet you, Mira."};
  const std::string whole = (client.folder() / "whole").string();
  const std::string half = (client.folder() / "half").string();
  client.send(p::SaveRuntimeStateByHistory{talk, whole, model});
  client.send(p::SaveRuntimeStateByHistory{talk, half, model, true});
  client.send(p::ClearStates{model});
  client.send(p::LoadRuntimeStateToMemory{half, model});
  std::vector<std::string> next = talk;
  next.push_back("What is my name?");
  const auto before = client.ask<p::StateCacheInfo>(p::GetStateCacheInfo{model});
  EXPECT_NE(client.reply(model, next).find("Mira"), std::string::npos);
  const auto after = client.ask<p::StateCacheInfo>(p::GetStateCacheInfo{model});
  EXPECT_GT(after.saved_tokens, before.saved_tokens);
  EXPECT_LT(std::filesystem::file_size(half) * 100, std::filesystem::file_size(whole) * 51);
}

TEST(States, TheCacheIsBoundedByRequestAndOutlivesTheRuntimeInAFolder) {
  const rwkv::test::ScratchFolder scratch;
  const std::string folder = (scratch.path() / "cache").string();
  std::vector<std::string> talk{"What is 47+38?"};
  {
    Client client;
    const auto model = client.load_tiny();
    client.send(greedy(model));
    client.send(p::SetStateCache{model, std::nullopt, folder, std::nullopt});
    talk.push_back(client.reply(model, talk));
    EXPECT_TRUE(eventually([&] { return client.ask<p::StateCacheInfo>(p::GetStateCacheInfo{model}).disk_bytes > 0; }));
    client.send(p::SetStateCache{model, 1'000'000, std::nullopt, std::nullopt});
    const auto info = client.ask<p::StateCacheInfo>(p::GetStateCacheInfo{model});
    EXPECT_EQ(info.limit_bytes, 1'000'000);
    EXPECT_LE(info.bytes, 1'000'000);
    EXPECT_EQ(info.disk_limit_bytes, std::int64_t{1} << 30);
    client.load_reply("another model");  // whose coming has the caches looked at again
    EXPECT_EQ(client.ask<p::StateCacheInfo>(p::GetStateCacheInfo{model}).limit_bytes, 1'000'000);
    for (const auto& bad :
         {p::SetStateCache{model, -1, std::nullopt, std::nullopt}, p::SetStateCache{model, std::nullopt, folder, -5},
          p::SetStateCache{model, std::nullopt, "/dev/null/no", std::nullopt}}) {
      EXPECT_FALSE(client.ask<p::Error>(bad).message.empty());
    }
  }
  Client client;
  const auto model = client.load_tiny();
  client.send(greedy(model));
  client.send(p::SetStateCache{model, std::nullopt, folder, std::nullopt});
  talk.push_back("And 20+8?");
  EXPECT_EQ(client.ask<p::StateCacheInfo>(p::GetStateCacheInfo{model}).saved_tokens, 0);
  client.reply(model, talk);
  EXPECT_GT(client.ask<p::StateCacheInfo>(p::GetStateCacheInfo{model}).saved_tokens, 10);
}

}  // namespace
}  // namespace rwkv::bridge::test
