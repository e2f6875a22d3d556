// What is written is pushed to those who asked for it.
#include <algorithm>
#include <map>

#include "bridge/test_client.h"

namespace rwkv::bridge::test {
namespace {

p::PortOptions pushed() {
  p::PortOptions options;
  options.push = true;
  return options;
}

// What a client knows of one slot after all messages so far, pushes and snapshots put together.
struct Slot {
  std::string text;
  std::vector<std::int32_t> tokens;
  std::int64_t sequence = 0;
  std::vector<p::GenerationEnd> ends;
  int deltas = 0;
};

// Checks the rules of order on the way. `known`: what the client has already.
std::map<std::int32_t, Slot> follow(const Client& client, std::int64_t generation,
                                    std::map<std::int32_t, Slot> slots = {}) {
  double progress = 0;
  for (const Message& message : client.messages()) {
    if (const auto* delta = message.as<p::GenerationDelta>(); delta && delta->generation_id == generation) {
      Slot& slot = slots[delta->slot];
      EXPECT_TRUE(slot.ends.empty()) << "something came after the end";
      EXPECT_EQ(delta->sequence, slot.sequence + 1);
      slot.sequence = delta->sequence;
      slot.text += delta->text;
      slot.tokens.insert(slot.tokens.end(), delta->tokens.begin(), delta->tokens.end());
      ++slot.deltas;
    } else if (const auto* end = message.as<p::GenerationEnd>(); end && end->generation_id == generation) {
      slots[end->slot].ends.push_back(*end);
      EXPECT_EQ(end->sequence, slots[end->slot].sequence);
    } else if (const auto* step = message.as<p::GenerationProgress>(); step && step->generation_id == generation) {
      EXPECT_GE(step->progress, progress);
      EXPECT_LE(step->progress, 1);
      progress = step->progress;
    }
  }
  return slots;
}

std::int64_t last_generation(Client& client, std::int32_t model) {
  for (const auto& info : client.ask<p::LoadedModels>(p::GetModels{}).models) {
    if (info.model_id == model) return info.generation_id.value_or(-1);
  }
  return -1;
}

void wait_ends(Client& client, std::int64_t generation, int ends) {
  int seen = 0;
  std::size_t at = 0;
  while (seen < ends) {
    const auto messages = client.messages();
    for (; at < messages.size(); ++at) {
      const auto* end = messages[at].as<p::GenerationEnd>();
      if (end && end->generation_id == generation) ++seen;
    }
    if (seen < ends && !client.wait([](const Message& m) { return m.as<p::GenerationEnd>() != nullptr; }, at)) return;
  }
}

TEST(Push, DeltasMakeUpTheTextThatPollsRead) {
  Client client(pushed());
  const std::string reply = repeated("h\u00e9llo \U0001F600 ", 40) + "end";
  const auto model = client.load_reply(reply, 300);
  client.answer<p::GenerateStart>(client.send(chat(model, {"Hi"})));
  const auto generation = last_generation(client, model);
  wait_ends(client, generation, 1);
  const auto slots = follow(client, generation);
  ASSERT_EQ(slots.size(), 1u);
  const Slot& slot = slots.at(0);
  EXPECT_EQ(slot.text, client.text(model));
  EXPECT_EQ(slot.text, reply);
  EXPECT_EQ(slot.tokens, client.ask<p::ResponseBufferIds>(p::GetResponseBufferIds{model}).response_buffer_ids);
  ASSERT_EQ(slot.ends.size(), 1u);
  EXPECT_EQ(slot.ends[0].reason, p::GenerationEndReason::kEos);
  EXPECT_EQ(slot.ends[0].prompt_tokens, static_cast<std::int64_t>(std::string("User: Hi\n\nAssistant:").size()) - 1);
  EXPECT_EQ(slot.ends[0].generated_tokens, static_cast<std::int64_t>(slot.tokens.size()));
  EXPECT_GT(slot.deltas, 5);
}

TEST(Push, ABatchHasItsOwnNumbersAndOneEndForEachSlot) {
  Client client(pushed());
  const auto model = client.load_script(
      R"("decode_us": 200, "replies": [{"when": "0", "say": "x"}, {"when": "1", "say": "abc def ghi jkl"},
         {"say": "the longest of all the texts in here"}])");
  std::vector<std::vector<std::string>> conversations;
  for (int i = 0; i < 20; ++i) conversations.push_back({std::to_string(i % 3)});
  client.answer<p::GenerateStart>(client.send(batch_chat(model, conversations)));
  const auto generation = last_generation(client, model);
  wait_ends(client, generation, 20);
  client.wait_idle(model);
  const auto slots = follow(client, generation);
  const auto texts = client.batch(model).response_buffer_content;
  ASSERT_EQ(slots.size(), 20u);
  for (const auto& [number, slot] : slots) {
    EXPECT_EQ(slot.text, texts[static_cast<std::size_t>(number)]);
    EXPECT_EQ(slot.ends.size(), 1u);
  }
}

TEST(Push, ASlotIsToldAtMostOnceInEightMilliseconds) {
  Client client(pushed());
  const auto model = client.load_reply(repeated("long ", 1000), 400);
  client.answer<p::GenerateStart>(client.send(chat(model, {"Hi"})));
  const auto begin = Clock::now();
  client.wait([](const Message& m) { return m.as<p::GenerationEnd>() != nullptr; });
  const double elapsed = std::chrono::duration<double, std::milli>(Clock::now() - begin).count();
  EXPECT_GE(elapsed, 500);  // 2000 tokens
  const auto deltas = client.all<p::GenerationDelta>().size();
  EXPECT_LE(static_cast<double>(deltas), elapsed / 8 * 1.2 + 2);
  EXPECT_GE(deltas, 10u);
}

TEST(Push, EveryKindOfEndIsTold) {
  Client client(pushed());
  const auto slow = client.load_reply(repeated("long ", 1000), 1000);
  client.send(chat(slow, {"Hi"}));
  client.wait_text(slow, 5);
  const auto stop = client.send(p::Stop{slow});
  client.answer<p::GenerateStop>(stop);
  auto ends = client.all<p::GenerationEnd>();
  ASSERT_EQ(ends.size(), 1u);
  EXPECT_EQ(ends[0].reason, p::GenerationEndReason::kCancelled);
  EXPECT_EQ(ends[0].prompt_tokens, 19);
  client.send(chat(slow, {"Hi"}, 4));
  client.wait_idle(slow);
  ends = client.all<p::GenerationEnd>();
  ASSERT_EQ(ends.size(), 2u);
  EXPECT_EQ(ends[1].reason, p::GenerationEndReason::kLength);
  EXPECT_EQ(ends[1].generated_tokens, 4);
  const auto failing = client.load_script(R"("fail_after": 30, "replies": [{"say": "0123456789012345678901234"}])");
  client.send(chat(failing, {"Hi"}));
  client.wait_idle(failing);
  ends = client.all<p::GenerationEnd>();
  ASSERT_EQ(ends.size(), 3u);
  EXPECT_EQ(ends[2].reason, p::GenerationEndReason::kError);
  EXPECT_EQ(ends[2].code, "evaluation");
  EXPECT_TRUE(ends[2].error);
}

TEST(Push, ProgressOfALongPromptIsToldAndNeverFalls) {
  Client client(pushed());
  const auto model = client.load_reply("yes", 0, 50);
  client.answer<p::GenerateStart>(client.send(chat(model, {repeated("a long question ", 300)})));
  const auto generation = last_generation(client, model);
  wait_ends(client, generation, 1);
  follow(client, generation);
  const auto steps = client.all<p::GenerationProgress>();
  EXPECT_GE(steps.size(), 5u);
  EXPECT_EQ(steps.back().progress, 1);
}

TEST(Push, ClientsThatDidNotAskSeeNothingOfIt) {
  Client pusher(pushed());
  Client quiet({}, pusher.name());
  const auto model = pusher.load_reply("some words to tell", 300);
  pusher.answer<p::GenerateStart>(pusher.send(chat(model, {"Hi"})));
  quiet.wait_idle(model);
  quiet.send(chat(model, {"Hi"}));
  quiet.wait_idle(model);
  auto wanted = chat(model, {"Hi"});
  wanted.push = true;
  const auto run = quiet.send(wanted);
  quiet.wait_idle(model);
  quiet.settle();
  for (const Message& message : quiet.messages()) {
    if (message.request_id == run) continue;
    EXPECT_FALSE(message.as<p::GenerationDelta>() || message.as<p::GenerationEnd>() ||
                 message.as<p::GenerationProgress>() || message.as<p::GenerationSnapshot>());
  }
  EXPECT_EQ(quiet.all<p::GenerationEnd>(run).size(), 1u);
  EXPECT_EQ(pusher.all<p::GenerationEnd>().size(), 1u);
}

TEST(Push, ALateSubscriberGoesOnFromASnapshotWithoutGapOrRepeat) {
  Client client(pushed());
  Client quiet({}, client.name());
  const std::string reply = repeated("h\u00e9llo ", 10) + "end";
  const auto model = client.load_reply(reply, 150);
  for (int round = 0; round < 60; ++round) {
    // Whether somebody else is told already must not matter.
    Client& asker = round % 2 ? client : quiet;
    asker.answer<p::GenerateStart>(asker.send(chat(model, {"Hi"})));
    Client late({}, client.name());
    std::this_thread::sleep_for(std::chrono::microseconds(round * 200));
    const auto snapshot = late.ask<p::GenerationSnapshot>(p::SubscribeGeneration{model, 0, 0, std::nullopt});
    ASSERT_TRUE(snapshot.generation_id);
    EXPECT_TRUE(reply.starts_with(snapshot.text));
    Slot known;
    known.text = snapshot.text;
    known.tokens = snapshot.tokens;
    known.sequence = snapshot.sequence;
    if (!snapshot.reason) wait_ends(late, *snapshot.generation_id, 1);
    late.wait_idle(model);
    const Slot slot = follow(late, *snapshot.generation_id, {{0, known}}).at(0);
    EXPECT_EQ(slot.text, reply);
    EXPECT_EQ(slot.tokens, late.ask<p::ResponseBufferIds>(p::GetResponseBufferIds{model}).response_buffer_ids);
    EXPECT_EQ(slot.ends.size(), snapshot.reason ? 0u : 1u);

    // Who has everything up to some number gets what follows it.
    const std::int64_t after = slot.sequence / 2;
    const auto rest = late.ask<p::GenerationSnapshot>(p::SubscribeGeneration{model, 0, after, snapshot.generation_id});
    EXPECT_EQ(rest.after, after);
    EXPECT_TRUE(reply.ends_with(rest.text));
    EXPECT_EQ(rest.reason, p::GenerationEndReason::kEos);
    const auto other = late.ask<p::GenerationSnapshot>(p::SubscribeGeneration{model, 0, after, 123456789});
    EXPECT_EQ(other.after, 0);
    EXPECT_EQ(other.text, reply);
    // A number that this generation has not come to is refused; without the generation's name it may be of another one.
    const auto error = late.ask<p::Error>(p::SubscribeGeneration{model, 0, slot.sequence + 1, snapshot.generation_id});
    EXPECT_EQ(error.code, "invalid_argument");
    EXPECT_NE(error.message.find(std::to_string(slot.sequence)), std::string::npos) << error.message;
    EXPECT_EQ(late.ask<p::GenerationSnapshot>(p::SubscribeGeneration{model, 0, slot.sequence + 1, std::nullopt}).text,
              reply);
    const auto nothing =
        late.ask<p::GenerationSnapshot>(p::SubscribeGeneration{model, 0, slot.sequence, snapshot.generation_id});
    EXPECT_EQ(nothing.after, slot.sequence);
    EXPECT_EQ(nothing.text, "");
  }
}

TEST(Push, ALateSubscriberHearsOfASlotThatEndedBefore) {
  Client client(pushed());
  const auto model = client.load_script(R"("decode_us": 1000, "replies": [{"when": "short", "say": "x"}, {"say": ")" +
                                        repeated("long ", 1000) + "\"}]");
  client.answer<p::GenerateStart>(client.send(batch_chat(model, {{"short"}, {"long"}})));
  client.wait([](const Message& m) { return m.as<p::GenerationEnd>() != nullptr; });
  Client late({}, client.name());
  const auto snapshot = late.ask<p::GenerationSnapshot>(p::SubscribeGeneration{model, 0, 0, std::nullopt});
  EXPECT_EQ(snapshot.text, "x");
  EXPECT_EQ(snapshot.reason, p::GenerationEndReason::kEos);
  EXPECT_FALSE(late.ask<p::GenerationSnapshot>(p::SubscribeGeneration{model, 1, 0, std::nullopt}).reason);
}

TEST(Push, ASubscriptionTellsOfItsSlotAloneAndMinusOneOfAll) {
  Client client;
  const auto model = client.load_reply(repeated("long ", 30) + "end", 1000);
  client.answer<p::GenerateStart>(client.send(batch_chat(model, {{"a"}, {"b"}, {"c"}})));
  client.wait_text(model, 3);
  Client one({}, client.name());
  Client two({}, client.name());
  Client all({}, client.name());
  // The first slot's listener has taken pieces when the others come.
  std::map<const Client*, std::map<std::int32_t, Slot>> known;
  const auto subscribe = [&](Client& who, std::int32_t slot, std::size_t snapshots) {
    const auto id = who.send(p::SubscribeGeneration{model, slot, 0, std::nullopt});
    for (std::size_t i = 0; i < snapshots; ++i)
      ASSERT_TRUE(eventually([&] { return who.all<p::GenerationSnapshot>(id).size() == snapshots; }));
    for (const auto& snapshot : who.all<p::GenerationSnapshot>(id)) {
      ASSERT_FALSE(snapshot.reason);
      known[&who][snapshot.slot] = {snapshot.text, snapshot.tokens, snapshot.sequence, {}, 0};
    }
  };
  ASSERT_NO_FATAL_FAILURE(subscribe(one, 1, 1));
  one.wait([](const Message& m) { return m.as<p::GenerationDelta>() != nullptr; });
  ASSERT_NO_FATAL_FAILURE(subscribe(two, 1, 1));
  ASSERT_NO_FATAL_FAILURE(subscribe(two, 2, 1));
  ASSERT_NO_FATAL_FAILURE(subscribe(all, -1, 3));
  const auto generation = last_generation(client, model);
  wait_ends(all, generation, 3);
  client.wait_idle(model);
  const auto texts = client.batch(model).response_buffer_content;
  const auto expect_slots = [&](Client& who, const std::vector<std::int32_t>& slots) {
    who.settle();
    const auto heard = follow(who, generation, known[&who]);
    ASSERT_EQ(heard.size(), slots.size());
    for (const std::int32_t slot : slots) {
      EXPECT_EQ(heard.at(slot).text, texts[static_cast<std::size_t>(slot)]);
      EXPECT_EQ(heard.at(slot).ends.size(), 1u);
    }
  };
  expect_slots(one, {1});
  expect_slots(two, {1, 2});
  expect_slots(all, {0, 1, 2});
}

TEST(Push, ASubscriptionWithoutAGenerationIsAnsweredEmpty) {
  Client client;
  EXPECT_FALSE(client.ask<p::GenerationSnapshot>(p::SubscribeGeneration{5, 0, 0, std::nullopt}).generation_id);
  const auto model = client.load_reply("yes");
  EXPECT_FALSE(client.ask<p::GenerationSnapshot>(p::SubscribeGeneration{model, 0, 3, 7}).generation_id);
  client.reply(model, {"Hi"});
  client.answer<p::Error>(client.send(p::SubscribeGeneration{model, 1, 0, std::nullopt}));
  client.answer<p::Error>(client.send(p::SubscribeGeneration{model, -2, 0, std::nullopt}));
}

TEST(Push, RequestDoneComesOnceAfterTheLastAnswer) {
  p::PortOptions options;
  options.acknowledge = true;
  Client client(options);
  const auto model = client.load_reply("some words", 200);
  std::vector<std::int64_t> ids;
  ids.push_back(client.send(chat(model, {"Hi"})));
  ids.push_back(client.send(p::GetIsGenerating{model}));
  ids.push_back(client.send(chat(model, {"busy"})));
  ids.push_back(client.send(p::SetPrompt{"x", model}));
  ids.push_back(client.send(p::SetPrompt{"x", 99}));
  ids.push_back(client.send(p::Stop{model}));
  ids.push_back(client.send(p::Stop{model}));
  ids.push_back(client.send(chat(99, {"Hi"})));
  ids.push_back(client.send(p::SudokuOthelloGenerate{"x", 99, true}));
  ids.push_back(client.send(chat(model, {"Hi"}, 0)));
  ids.push_back(client.send(chat(model, {"Hi"})));
  ids.push_back(client.send(p::RunEvaluation{"a", "b", model}));
  ids.push_back(client.send(p::SaveRuntimeStateByHistory{{"a", "b"}, (client.folder() / "state").string(), model}));
  ids.push_back(client.send(p::LoadRuntimeStateToMemory{(client.folder() / "none").string(), model}));
  ids.push_back(client.send(p::SetVisionPrompt{"x", model}));
  ids.push_back(client.send(p::ReleaseRWKVModel{99}));
  ids.push_back(client.start_load("/no/such/file", "scripted"));
  ids.push_back(client.send(p::ReleaseRWKVModel{model}));
  for (const auto id : ids) client.answer<p::RequestDone>(id);
  std::this_thread::sleep_for(milliseconds(600));
  client.settle();
  for (const auto id : ids) {
    const auto types = client.types(id);
    EXPECT_EQ(std::count(types.begin(), types.end(), "RequestDone"), 1) << id;
    EXPECT_EQ(types.back(), "RequestDone") << id;
  }
}

}  // namespace
}  // namespace rwkv::bridge::test
