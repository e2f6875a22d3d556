// Loading and releasing.
#include "bridge/test_client.h"

namespace rwkv::bridge::test {
namespace {

using Status = p::LoadingStatus;

bool is_step(const Message& message, std::int64_t id, Status status) {
  const auto* steps = message.as<p::LoadModelSteps>();
  return steps && message.request_id == id && steps->status == status;
}

TEST(Contract, S05_ALoadEndsWithExactlyOneTerminalStepAndNothingFollowsIt) {
  Client client;
  for (const std::string& error : {std::string(), std::string(R"(, "load_error": "no such luck")")}) {
    const auto id = client.start_load(client.script(R"("load_ms": 300)" + error), "scripted");
    const Status end = error.empty() ? Status::kLoaded : Status::kFailedInLoading;
    client.wait([&](const Message& m) { return is_step(m, id, end); });
    std::this_thread::sleep_for(milliseconds(60));
    client.settle();
    const auto steps = client.all<p::LoadModelSteps>(id);
    ASSERT_GE(steps.size(), 3u);
    double progress = 0;
    for (std::size_t i = 0; i + 1 < steps.size(); ++i) {
      EXPECT_EQ(steps[i].status, Status::kLoading);
      EXPECT_FALSE(steps[i].model_id);
      EXPECT_EQ(steps[i].loading_model_id, error.empty() ? 0 : 1);
      if (!steps[i].progress) continue;
      EXPECT_GE(*steps[i].progress, progress);
      EXPECT_LE(*steps[i].progress, 1.0);
      progress = *steps[i].progress;
    }
    EXPECT_GT(progress, 0.2);
    EXPECT_EQ(steps.back().status, end);
    EXPECT_EQ(client.types(id), std::vector<std::string>(steps.size(), "LoadModelSteps"));
  }
}

TEST(Contract, S06_LoadedModelsHaveIdsOfTheirOwnAndFailuresAReason) {
  Client client;
  EXPECT_EQ(client.load_script(""), 0);
  EXPECT_EQ(client.load_script(""), 1);
  const std::string missing = (client.folder() / "missing.json").string();
  const auto id = client.start_load(missing, "scripted");
  client.wait([&](const Message& m) { return is_step(m, id, Status::kFailedInLoading); });
  const auto failed = client.all<p::LoadModelSteps>(id).back();
  EXPECT_FALSE(failed.model_id);
  EXPECT_EQ(failed.code, "not_found");
  ASSERT_TRUE(failed.info);
  EXPECT_NE(failed.info->find(missing), std::string::npos);
  EXPECT_NE(failed.info->find("scripted"), std::string::npos);
  EXPECT_EQ(client.ask<p::LoadedModelIDs>(p::GetLoadedModelIDs{}).loaded_model_ids, (std::vector<std::int32_t>{0, 1}));
}

TEST(Loading, TakesADeviceAndSettingsOfTheBackend) {
  Client client;
  p::LoadRWKVModel request;
  request.model_path = rwkv::test::kModel.string();
  request.backend.name = "llama.cpp";
  const auto end_of_load = [&] {
    const auto id = client.send(request);
    client.wait(
        [&](const Message& m) { return is_step(m, id, Status::kLoaded) || is_step(m, id, Status::kFailedInLoading); });
    return client.all<p::LoadModelSteps>(id).back();
  };
  request.device = "cpu";
  request.settings.emplace()["weights"] = "copied";
  const auto loaded = end_of_load();
  ASSERT_EQ(loaded.status, Status::kLoaded) << loaded.info.value_or("");
  // Copied weights lie in memory of the process.
  const auto memory = client.ask<p::MemoryInfo>(p::GetMemoryInfo{}).models.at(0);
  EXPECT_EQ(memory.mapped_bytes, 0);
  EXPECT_GT(memory.private_bytes, 0);

  request.device = "no such device";
  EXPECT_EQ(end_of_load().code, "invalid_argument");
  request.device = "";
  request.settings.emplace()["no such setting"] = "";
  const auto refused = end_of_load();
  EXPECT_EQ(refused.code, "invalid_argument");
  EXPECT_NE(refused.info.value_or("").find("weights"), std::string::npos) << refused.info.value_or("");
}

// Which engine runs a model shows in the memory that it takes.
TEST(Loading, AnotherBackendStandsInOnlyWhereTheAppLetsIt) {
  Client client;
  const auto private_bytes = [&](const std::string& backend) {
    const std::int32_t model = client.load(rwkv::test::kModel.string(), backend);
    const std::string told = client.ask<p::LoadedModels>(p::GetModels{}).models.at(0).backend;
    EXPECT_EQ(told, backend == "auto" ? "native" : backend);
    const std::int64_t bytes = client.ask<p::MemoryInfo>(p::GetMemoryInfo{}).models.at(0).private_bytes;
    client.release(model);
    return bytes;
  };
  const std::int64_t chosen = private_bytes("auto");
  const std::int64_t named = private_bytes("llama.cpp");
  EXPECT_NE(named, chosen);
  client.send(p::SetStandIn{true});
  EXPECT_EQ(private_bytes("llama.cpp"), chosen);
  client.send(p::SetStandIn{false});
  EXPECT_EQ(private_bytes("llama.cpp"), named);
}

TEST(Contract, S08_ReleaseStepsNameTheRequestedModel) {
  Client client;
  const auto model = client.load_script("");
  // Numbers that no model can have too.
  constexpr std::int64_t kLarge = std::int64_t{1} << 40;
  for (const std::int64_t target : {std::int64_t{model}, std::int64_t{77}, std::int64_t{-1}, kLarge, -kLarge + model}) {
    const auto id = client.send(p::ReleaseRWKVModel{target});
    const Status end = target == model ? Status::kReleased : Status::kFailedInReleasing;
    client.wait([&](const Message& m) { return is_step(m, id, end); });
    client.settle();
    const auto steps = client.all<p::LoadModelSteps>(id);
    ASSERT_EQ(steps.size(), 2u);
    EXPECT_EQ(steps[0].status, Status::kReleasing);
    EXPECT_EQ(steps[0].model_id, target);
    EXPECT_EQ(steps[1].status, end);
    EXPECT_EQ(steps[1].model_id, target);
    EXPECT_EQ(steps[1].info.has_value(), target != model);
    EXPECT_EQ(steps[1].code, target == model ? std::nullopt : std::optional<std::string>("not_found"));
    EXPECT_EQ(client.types(id).size(), 2u);
  }
}

TEST(Contract, S09_PollsOfAReleasedModelAnswerIdleAndItsIdIsUsedAgain) {
  Client client;
  const auto model = client.load_reply("Hello");
  EXPECT_EQ(client.reply(model, {"Hi"}), "Hello");
  client.release(model);
  EXPECT_EQ(client.text(model), "");
  EXPECT_FALSE(client.generating(model));
  EXPECT_EQ(client.batch(model).batch_size, 0);
  EXPECT_TRUE(client.ask<p::ResponseBufferIds>(p::GetResponseBufferIds{model}).response_buffer_ids.empty());
  EXPECT_EQ(client.ask<p::Speed>(p::GetPrefillAndDecodeSpeed{model}), p::Speed{});
  EXPECT_EQ(client.ask<p::TokensCount>(p::GetResponseBufferTokensCount{model}).tokens_count, 0);
  EXPECT_EQ(client.ask<p::TokensCountBatch>(p::GetResponseBufferTokensCountBatch{model}).batch_size, 0);
  EXPECT_TRUE(client.ask<p::SupportedBatchSizes>(p::GetSupportedBatchSizes{model}).supported_batch_sizes.empty());
  EXPECT_EQ(client.ask<p::StateInfo>(p::DumpStateInfo{model}).state_info, "");
  EXPECT_EQ(client.ask<p::CurrentPrompt>(p::GetPrompt{model}).prompt, "");
  EXPECT_EQ(client.ask<p::LoadedModelPathByID>(p::GetLoadedModelPathByID{model}).loaded_model_path, "");
  EXPECT_TRUE(client.all<p::Error>().empty());
  EXPECT_EQ(client.load_script(""), model);
}

TEST(Contract, S10_ReleasingAGeneratingModelEndsTheRunFirst) {
  Client client;
  const auto model = client.load_reply(repeated("long ", 2000), 1000);
  const auto run = client.send(chat(model, {"Hi"}));
  client.wait_text(model, 10);
  const auto release = client.send(p::ReleaseRWKVModel{model});
  const auto poll = client.send(p::GetIsGenerating{model});
  EXPECT_FALSE(client.answer<p::IsGenerating>(poll).is_generating);
  client.wait([&](const Message& m) { return is_step(m, release, Status::kReleased); });
  EXPECT_EQ(client.types(run), (std::vector<std::string>{"GenerateStart", "GenerateStop"}));
  const auto stop = client.all<p::GenerateStop>(run);
  ASSERT_EQ(stop.size(), 1u);
  EXPECT_TRUE(stop[0].error);
  EXPECT_EQ(stop[0].code, "cancelled");
}

TEST(Contract, S11_ALoadDisturbsNeitherARunNorItsPolls) {
  Client client;
  const std::string reply = repeated("abc ", 100);
  const auto first = client.load_reply(reply, 1000);
  client.send(chat(first, {"Hi"}));
  const auto load = client.start_load(client.script(R"("load_ms": 300)"), "scripted");
  int answered = 0;
  for (bool loaded = false; !loaded; ++answered) {
    const auto before = Clock::now();
    client.text(first);
    EXPECT_LT(Clock::now() - before, milliseconds(250));
    const auto steps = client.all<p::LoadModelSteps>(load);
    loaded = !steps.empty() && steps.back().status == Status::kLoaded;
  }
  EXPECT_GT(answered, 5);
  client.wait_idle(first);
  EXPECT_EQ(client.text(first), reply);
}

TEST(Contract, S13_AFailedLoadLeavesNoMemoryAndNoIdBehind) {
  Client client;
  client.settle();
  const auto before = live_objects();
  for (int i = 0; i < 20; ++i) {
    const auto id = client.start_load(client.script(R"("load_error": "no")"), "scripted");
    client.wait([&](const Message& m) { return is_step(m, id, Status::kFailedInLoading); });
  }
  EXPECT_TRUE(eventually([&] { return live_objects() == before; }));
  EXPECT_EQ(client.load_script(""), 0);
}

TEST(Contract, S14_ModelsAreSwitchedAsOftenAsWanted) {
  Client client;
  client.settle();
  const auto before = live_objects();
  const std::string path = client.script(R"("replies": [{"say": "yes"}])");
  for (int i = 0; i < 200; ++i) {
    const auto model = client.load(path, "scripted");
    EXPECT_EQ(model, 0);
    if (i % 20 == 0) {
      EXPECT_EQ(client.reply(model, {"Hi"}), "yes");
    }
    client.release(model);
  }
  EXPECT_TRUE(eventually([&] { return live_objects() == before; }));
}

TEST(Contract, AStopForTheIdThatALoadIsToGetEndsTheLoad) {
  Client client;
  const auto load = client.start_load(client.script(R"("load_ms": 10000)"), "scripted");
  client.wait([&](const Message& m) { return is_step(m, load, Status::kLoading); });
  const auto id = client.all<p::LoadModelSteps>(load).front().loading_model_id;
  ASSERT_TRUE(id);
  client.send(p::Stop{*id});
  const auto before = Clock::now();
  client.wait([&](const Message& m) { return is_step(m, load, Status::kFailedInLoading); });
  EXPECT_LT(Clock::now() - before, milliseconds(2000));
  EXPECT_EQ(client.all<p::LoadModelSteps>(load).back().code, "cancelled");
  EXPECT_TRUE(client.all<p::GenerateStop>().empty());
}

TEST(Contract, ARequestForAModelThatIsBeingLoadedWaitsForIt) {
  Client client;
  client.start_load(client.script(R"("load_ms": 100, "replies": [{"say": "yes"}])"), "scripted");
  client.send(p::SetMaxLength{2, 0});
  const auto run = client.send(chat(0, {"Hi"}));
  client.answer<p::GenerateStart>(run);
  client.wait_idle(0);
  EXPECT_EQ(client.text(0), "y");  // the space and one letter: two tokens
}

}  // namespace
}  // namespace rwkv::bridge::test
