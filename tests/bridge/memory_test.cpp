// What an app is promised about memory: a bound, an order in which things go, and that they come back by themselves.
#include <cmath>
#include <filesystem>
#include <fstream>

#include "base/machine.h"
#include "bridge/test_client.h"

namespace rwkv::bridge::test {
namespace {

constexpr std::int64_t kMegabyte = std::int64_t{1} << 20;

using Level = p::MemoryPressure;

std::optional<p::ModelMemory> memory_of(Client& client, std::int32_t model) {
  for (const p::ModelMemory& each : client.ask<p::MemoryInfo>(p::GetMemoryInfo{}).models) {
    if (each.model_id == model) return each;
  }
  return std::nullopt;
}

bool asleep(Client& client, std::int32_t model) {
  const auto memory = memory_of(client, model);
  EXPECT_TRUE(memory);
  return memory && memory->asleep;
}

p::MemoryReleased release_memory(Client& client, Level level) {
  return client.ask<p::MemoryReleased>(p::ReleaseMemory{level});
}

std::int64_t states(Client& client, std::int32_t model) {
  return client.ask<p::StateCacheInfo>(p::GetStateCacheInfo{model}).bytes;
}

// What is read once more after an answer has been read.
void settle_states(Client& client, std::int32_t model) {
  std::int64_t last = -1;
  EXPECT_TRUE(eventually([&] {
    std::this_thread::sleep_for(milliseconds(100));
    return states(client, model) == std::exchange(last, states(client, model)) && last > 0;
  }));
}

TEST(Memory, AModelThatDoesNotFitTheBudgetIsRefusedWithTheFigures) {
  Client client;
  client.ask<p::MemoryReleased>(p::SetMemoryBudget{100 * kMegabyte});
  const auto first = client.load_script(R"("needs_mb": 60)");
  const auto id = client.start_load(client.script(R"("needs_mb": 50, "load_ms": 3000)"), "scripted");
  const auto refused = client.wait([&](const Message& m) {
    const auto* steps = m.as<p::LoadModelSteps>();
    return m.request_id == id && steps && steps->status == p::LoadingStatus::kFailedInLoading;
  });
  ASSERT_TRUE(refused);
  const std::string why = refused->as<p::LoadModelSteps>()->info.value_or("");
  for (const char* word : {"needs 50 MB", "budget 100 MB", "in use by models 60 MB", "available", "out_of_memory"}) {
    EXPECT_NE(why.find(word), std::string::npos) << why;
  }
  const auto info = client.ask<p::MemoryInfo>(p::GetMemoryInfo{});
  EXPECT_EQ(info.budget_bytes, 100 * kMegabyte);
  EXPECT_EQ(info.used_bytes, 60 * kMegabyte);
  ASSERT_EQ(info.models.size(), 1u);
  EXPECT_EQ(info.models[0].private_bytes, 60 * kMegabyte);
  // Once there is room it is loaded.
  client.release(first);
  client.load_script(R"("needs_mb": 50)");
  // Two that are loaded at the same time do not both take what is left.
  const auto one = client.start_load(client.script(R"("needs_mb": 40, "load_ms": 200)"), "scripted");
  const auto other = client.start_load(client.script(R"("needs_mb": 40, "load_ms": 200)"), "scripted");
  int loaded = 0;
  for (const auto load : {one, other}) {
    const auto end = client.wait([&](const Message& m) {
      const auto* steps = m.as<p::LoadModelSteps>();
      return m.request_id == load && steps && steps->status != p::LoadingStatus::kLoading;
    });
    if (end && end->as<p::LoadModelSteps>()->status == p::LoadingStatus::kLoaded) ++loaded;
  }
  EXPECT_EQ(loaded, 1);
}

TEST(Memory, TheBudgetOfOneRuntimeIsNoneOfAnother) {
  Client small;
  Client large;
  small.ask<p::MemoryReleased>(p::SetMemoryBudget{10 * kMegabyte});
  EXPECT_EQ(large.ask<p::MemoryInfo>(p::GetMemoryInfo{}).budget_bytes, 0);
  EXPECT_EQ(large.load_script(R"("needs_mb": 60)"), 0);
}

TEST(Memory, PressureTakesStatesFirstAndWeightsLast) {
  Client client;
  const auto model = client.load_tiny();
  client.reply(model, {"What is 47+38?"});
  client.reply(model, {"What is 64+29?"});
  settle_states(client, model);
  const auto before = states(client, model);

  const auto moderate = release_memory(client, Level::kModerate);
  EXPECT_EQ(moderate.level, Level::kModerate);
  EXPECT_GT(moderate.state_bytes, 0);
  EXPECT_EQ(moderate.caches, 1);
  EXPECT_TRUE(moderate.unloaded_model_ids.empty());
  EXPECT_EQ(moderate.bytes_before - moderate.bytes_after, moderate.state_bytes);
  EXPECT_EQ(states(client, model), before - moderate.state_bytes);
  EXPECT_LE(states(client, model), before / 2);
  EXPECT_GT(states(client, model), 0);

  const auto low = release_memory(client, Level::kLow);
  EXPECT_EQ(low.state_bytes, before - moderate.state_bytes);
  EXPECT_EQ(states(client, model), 0);
  EXPECT_FALSE(asleep(client, model));

  const auto critical = release_memory(client, Level::kCritical);
  EXPECT_EQ(critical.unloaded_model_ids, (std::vector<std::int32_t>{model}));
  EXPECT_EQ(critical.state_bytes, 0);
  EXPECT_GT(critical.bytes_before, 0);
  EXPECT_EQ(critical.bytes_after, 0);
  EXPECT_TRUE(asleep(client, model));

  // There is nothing more to give.
  const auto again = release_memory(client, Level::kCritical);
  EXPECT_TRUE(again.unloaded_model_ids.empty());
  EXPECT_EQ(again.caches, 0);
}

// A sanitizer keeps what is freed.
#if defined(__linux__) && !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)

double resident() {
  std::uint64_t pages = 0;
  std::ifstream("/proc/self/statm") >> pages >> pages;
  return static_cast<double>(pages * inspect_machine().page_bytes);
}

// What is free already is not what a request gives back.
double resident_at_first() {
  give_back_freed_memory();
  return resident();
}

// States of many short conversations, the later ones on top of the earlier ones: what goes first leaves holes.
void fill_states(Client& client, std::int32_t model) {
  for (int i = 0; i < 100; ++i) {
    client.answer<p::GenerateStart>(client.send(chat(model, {std::to_string(i) + " is a number"}, 1)));
    client.wait_idle(model);
  }
  settle_states(client, model);
}

TEST(Memory, WhatIsReleasedGoesBackToTheSystem) {
  Client client;
  const auto model = client.load_tiny();
  client.reply(model, {"What is 47+38?"});
  const auto expect_falls_by = [](double before, std::int64_t bytes) {
    EXPECT_GT(bytes, 10 * kMegabyte);
    EXPECT_LE(resident(), before - 0.9 * static_cast<double>(bytes));
  };
  const double empty = resident_at_first();
  fill_states(client, model);
  double before = resident_at_first();
  EXPECT_GE(before - empty, static_cast<double>(10 * kMegabyte));
  expect_falls_by(before, release_memory(client, Level::kModerate).state_bytes);
  before = resident_at_first();
  expect_falls_by(before, release_memory(client, Level::kLow).state_bytes);

  fill_states(client, model);
  before = resident_at_first();
  const std::int64_t used = client.ask<p::MemoryInfo>(p::GetMemoryInfo{}).used_bytes;
  const auto smaller = client.ask<p::MemoryReleased>(p::SetMemoryBudget{used - states(client, model) / 2});
  expect_falls_by(before, smaller.state_bytes);

  client.ask<p::MemoryReleased>(p::SetMemoryBudget{0});
  fill_states(client, model);
  before = resident_at_first();
  auto kept = states(client, model);
  client.send(p::SetStateCache{model, kept / 2});
  expect_falls_by(before, kept - states(client, model));
  before = resident_at_first();
  kept = states(client, model);
  client.send(p::ClearStates{model});
  expect_falls_by(before, kept - states(client, model));
}

TEST(Memory, WhatAModelTookGoesBackWithIt) {
  Client client;
  const auto stays = client.load_tiny();
  client.reply(stays, {"What is 47+38?"});
  const double empty = resident_at_first();
  const auto model = client.load_tiny();
  fill_states(client, model);
  const double full = resident_at_first();
  EXPECT_GE(full - empty, static_cast<double>(10 * kMegabyte));
  client.release(model);
  EXPECT_LE(resident(), empty + 0.1 * (full - empty));
}

#endif

TEST(Memory, AConversationGoesOnAfterEverythingWasReleased) {
  Client client;
  const auto model = client.load_tiny();
  const auto sleeper = client.load_tiny();
  for (const auto each : {model, sleeper}) client.send(greedy(each));
  std::vector<std::string> messages{"What is 47+38?"};
  for (int turn = 0; turn < 3; ++turn) {
    const std::string expected = client.reply(model, messages);
    EXPECT_EQ(client.reply(sleeper, messages), expected);
    release_memory(client, Level::kCritical);
    EXPECT_TRUE(asleep(client, sleeper));
    messages.push_back(expected);
    messages.emplace_back("What is 64+29?");
  }
  EXPECT_EQ(messages[1], "85");
  EXPECT_TRUE(client.all<p::Error>().empty());
}

TEST(Memory, OnlyWhatNeedsWeightsWakesAModel) {
  Client client;
  const auto model = client.load_tiny();
  client.send(greedy(model));
  const std::string answer = client.reply(model, {"What is 47+38?"});
  const auto count = client.ask<p::TokensCount>(p::CalculateTokensCountRaw{"some text", model}).tokens_count;
  const auto sizes = client.ask<p::SupportedBatchSizes>(p::GetSupportedBatchSizes{model});
  const auto models = client.ask<p::LoadedModels>(p::GetModels{});
  release_memory(client, Level::kCritical);

  EXPECT_EQ(client.ask<p::LoadedModelIDs>(p::GetLoadedModelIDs{}).loaded_model_ids, (std::vector<std::int32_t>{model}));
  EXPECT_EQ(client.ask<p::LoadedModelPathByID>(p::GetLoadedModelPathByID{model}).loaded_model_path,
            rwkv::test::kModel.string());
  EXPECT_EQ(client.ask<p::LoadedModels>(p::GetModels{}), models);
  EXPECT_EQ(client.text(model), answer);
  EXPECT_FALSE(client.generating(model));
  EXPECT_EQ(client.ask<p::SupportedBatchSizes>(p::GetSupportedBatchSizes{model}), sizes);
  EXPECT_GT(client.ask<p::Speed>(p::GetPrefillAndDecodeSpeed{model}).decode_speed, 0);
  EXPECT_EQ(client.ask<p::TokensCount>(p::CalculateTokensCountRaw{"some text", model}).tokens_count, count);
  EXPECT_EQ(client.ask<p::StateInfo>(p::DumpStateInfo{model}).state_info, "");
  EXPECT_EQ(states(client, model), 0);
  client.send(p::ClearStates{model});
  client.send(p::SetMaxLength{77, model});
  client.send(p::SetModelWeight{2, model});
  client.send(p::SetSeed{5, model});
  EXPECT_EQ(client.ask<p::CurrentSeed>(p::GetSeed{model}).seed, 5);
  client.send(p::Stop{model});
  EXPECT_TRUE(asleep(client, model));

  const auto score = client.ask<p::EvaluationResults>(p::RunEvaluation{"What is 47", "+", model});
  EXPECT_EQ(score.logits.size(), 1u);
  EXPECT_FALSE(asleep(client, model));
  release_memory(client, Level::kCritical);
  const std::string path = (client.folder() / "saved.state").string();
  client.send(p::SaveRuntimeStateByHistory{{"What is 47+38?", answer}, path, model});
  EXPECT_TRUE(eventually([&] { return std::filesystem::exists(path); }));
  EXPECT_TRUE(client.all<p::Error>().empty());
  client.release(model);
}

TEST(Memory, APollSeesAModelThatWakesAsGenerating) {
  Client client({.push = true});
  const auto model = client.load_script(R"("load_ms": 600, "replies": [{"say": "awake"}])");
  release_memory(client, Level::kCritical);
  ASSERT_TRUE(asleep(client, model));
  const auto id = client.send(chat(model, {"Hi"}));
  int seen = 0;
  for (const auto start = Clock::now(); client.generating(model); ++seen) {
    EXPECT_LT(Clock::now() - start, milliseconds(5000));
    std::this_thread::sleep_for(milliseconds(20));
  }
  EXPECT_GT(seen, 5);
  EXPECT_EQ(client.text(model), "awake");
  client.settle();
  EXPECT_EQ(client.all<p::GenerationEnd>(id).size(), 1u);
  // Nobody asked for a load.
  EXPECT_TRUE(client.all<p::LoadModelSteps>(id).empty());
}

TEST(Memory, AStopWhileAModelWakesIsAnsweredAtOnce) {
  Client client;
  const auto model = client.load_script(R"("load_ms": 1500, "replies": [{"say": "awake"}])");
  release_memory(client, Level::kCritical);
  client.send(chat(model, {"Hi"}));
  std::this_thread::sleep_for(milliseconds(100));
  const auto start = Clock::now();
  client.ask<p::GenerateStop>(p::Stop{model});
  EXPECT_LT(Clock::now() - start, milliseconds(150));
  EXPECT_FALSE(client.generating(model));
  EXPECT_EQ(client.reply(model, {"Hi"}), "awake");
}

TEST(Memory, WhatGoesWrongOnWakingEndsTheRunWithAReason) {
  Client client;
  const std::string path = client.script(R"("replies": [{"say": "awake"}])");
  const auto model = client.load(path, "scripted");
  release_memory(client, Level::kCritical);
  std::filesystem::remove(path);
  const auto id = client.send(chat(model, {"Hi"}));
  const auto stop = client.answer<p::GenerateStop>(id);
  ASSERT_TRUE(stop.error);
  EXPECT_NE(stop.error->find(path), std::string::npos);
  rwkv::test::write_file(path, R"({"rwkv_script": 1, "replies": [{"say": "awake"}]})");
  EXPECT_EQ(client.reply(model, {"Hi"}), "awake");
}

TEST(Memory, ABusyModelKeepsItsWeights) {
  Client client;
  const std::string reply = repeated("abc ", 60);
  const auto busy = client.load_reply(reply, 3000);
  const auto idle = client.load_reply("idle");
  client.send(chat(busy, {"Hi"}));
  client.wait_text(busy, 10);
  const auto released = release_memory(client, Level::kCritical);
  EXPECT_EQ(released.unloaded_model_ids, (std::vector<std::int32_t>{idle}));
  EXPECT_TRUE(client.generating(busy));
  client.wait_idle(busy);
  EXPECT_EQ(client.text(busy), reply);
}

TEST(Memory, ALowerBudgetShrinksCachesAndThenPutsToSleepWhoWasUsedLongestAgo) {
  Client client;
  const std::string fields = R"("needs_mb": 10, "replies": [{"say": "yes"}])";
  const auto a = client.load_script(fields);
  const auto b = client.load_script(fields);
  const auto c = client.load_script(fields);
  const std::string long_text(60000, 'x');
  for (const auto model : {b, c, a}) client.reply(model, {long_text});
  const auto before = client.ask<p::MemoryInfo>(p::GetMemoryInfo{});
  EXPECT_GT(before.used_bytes, 30 * kMegabyte);
  for (const auto model : {a, b, c}) EXPECT_GT(memory_of(client, model)->cache_bytes, 100000);

  // Room for the models and hardly anything else.
  auto released = client.ask<p::MemoryReleased>(p::SetMemoryBudget{30 * kMegabyte + 3000});
  EXPECT_FALSE(released.level);
  EXPECT_EQ(released.caches, 3);
  EXPECT_TRUE(released.unloaded_model_ids.empty());
  EXPECT_LE(released.bytes_after, 30 * kMegabyte + 3000);
  EXPECT_GE(released.bytes_before, before.used_bytes);  // what is read for the next turns may have come since
  // It holds for what comes later.
  client.reply(a, {long_text});
  EXPECT_LE(client.ask<p::MemoryInfo>(p::GetMemoryInfo{}).used_bytes, 30 * kMegabyte + 3000);

  // Room for one: the two that were used before it go.
  released = client.ask<p::MemoryReleased>(p::SetMemoryBudget{15 * kMegabyte});
  EXPECT_EQ(released.unloaded_model_ids, (std::vector<std::int32_t>{b, c}));
  EXPECT_LE(released.bytes_after, 15 * kMegabyte);
  EXPECT_FALSE(asleep(client, a));
  // Now there is none for them.
  const auto stop = client.answer<p::GenerateStop>(client.send(chat(b, {"Hi"})));
  ASSERT_TRUE(stop.error);
  EXPECT_NE(stop.error->find("budget 15 MB"), std::string::npos) << *stop.error;
  // Without a budget there is, and the caches have their old size.
  client.ask<p::MemoryReleased>(p::SetMemoryBudget{0});
  EXPECT_EQ(client.reply(b, {"Hi"}), "yes");
  client.reply(a, {long_text});
  EXPECT_GT(memory_of(client, a)->cache_bytes, 100000);
}

TEST(Memory, BadRequestsAreRefused) {
  Client client;
  const auto model = client.load_script("");
  const auto code = [&](const p::Request& request) { return client.ask<p::Error>(request).code.value_or(""); };
  EXPECT_EQ(code(p::SetMemoryBudget{-1}), "invalid_argument");
  EXPECT_EQ(code(p::SetModelWeight{0, model}), "invalid_argument");
  EXPECT_EQ(code(p::SetModelWeight{1, 77}), "not_found");
}

TEST(Memory, ARuntimeWithoutModelsAnswersToo) {
  Client client({.acknowledge = true});
  const auto id = client.send(p::ReleaseMemory{Level::kCritical});
  const auto released = client.answer<p::MemoryReleased>(id);
  EXPECT_EQ(released.bytes_before, 0);
  EXPECT_EQ(released.bytes_after, 0);
  client.settle();
  EXPECT_EQ(client.types(id), (std::vector<std::string>{"MemoryReleased", "RequestDone"}));
}

TEST(Memory, ReleasingAndAskingAtRandomLosesNoAnswer) {
  Client client;
  const auto one = client.load_reply("one");
  const auto other = client.load_reply("other", 200);
  for (int i = 0; i < 60; ++i) {
    const auto model = i % 3 ? one : other;
    const auto id = client.send(chat(model, {"Hi"}));
    std::vector<std::int64_t> releases;
    for (int j = 0; j < i % 4; ++j) {
      releases.push_back(client.send(p::ReleaseMemory{j % 2 ? Level::kCritical : Level::kLow}));
    }
    client.answer<p::GenerateStart>(id);
    client.wait_idle(model);
    EXPECT_EQ(client.text(model), i % 3 ? "one" : "other");
    for (const auto release : releases) client.answer<p::MemoryReleased>(release);
  }
  EXPECT_TRUE(client.all<p::Error>().empty());
}

}  // namespace
}  // namespace rwkv::bridge::test
