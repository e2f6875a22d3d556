// Whether a model is generating, and how the end is told.
#include "bridge/test_client.h"

namespace rwkv::bridge::test {
namespace {

TEST(Contract, S29_TheFlagIsTrueFromGenerateStartToTheEndWithoutAGap) {
  Client client;
  const auto model = client.load_reply("yes", 500, 200);
  for (int round = 0; round < 20; ++round) {
    const auto run = client.send(chat(model, {"Hi"}));
    for (int i = 0; i < 50; ++i) client.send(p::GetIsGenerating{model});
    client.wait_idle(model);
    bool started = false;
    bool fell = false;
    for (const Message& message : client.messages()) {
      if (message.request_id < run) continue;
      if (message.as<p::GenerateStart>()) started = true;
      const auto* flag = message.as<p::IsGenerating>();
      if (!started || !flag) continue;
      EXPECT_FALSE(fell && flag->is_generating);
      fell = !flag->is_generating;
    }
    EXPECT_TRUE(started);
    const auto first = client.wait([&](const Message& m) { return m.request_id == run + 1; });
    EXPECT_TRUE(first->as<p::IsGenerating>()->is_generating);
  }
}

TEST(Contract, S30_PrefillCountsAsGenerating) {
  Client client;
  const auto model = client.load_reply("x", 0, 5000);
  for (const std::optional<int> limit : {std::optional<int>(), std::optional<int>(0)}) {
    client.send(p::ClearStates{model});
    client.send(chat(model, {"a question of some length"}, limit));
    EXPECT_TRUE(client.generating(model));
    client.wait_idle(model);
  }
}

TEST(Contract, S31_TheFlagFallsHoweverARunEnds) {
  Client client;
  const auto failing = client.load_script(R"("fail_after": 40, "replies": [{"say": ")" + repeated("x", 100) + "\"}]");
  const auto run = client.send(chat(failing, {"Hi"}));
  client.wait_idle(failing);
  const auto stop = client.answer<p::GenerateStop>(run);
  EXPECT_TRUE(stop.error);
  EXPECT_EQ(stop.code, "evaluation");
  const auto good = client.load_reply("fine");
  EXPECT_EQ(client.reply(good, {"Hi"}), "fine");
  client.send(chat(good, {"Hi"}, 2));
  client.wait_idle(good);
  client.send(chat(good, {"Hi"}));
  client.send(p::Stop{good});
  EXPECT_FALSE(client.generating(good));
}

TEST(Contract, S32_TheFinalTextIsReadBeforeFalseIs) {
  Client client;
  const std::string reply = "a reply that ends somewhere";
  const auto model = client.load_reply(reply, 300);
  for (int round = 0; round < 30; ++round) {
    client.answer<p::GenerateStart>(client.send(chat(model, {"Hi"})));
    for (bool running = true; running;) {
      const auto content = client.send(p::GetResponseBufferContent{model});
      const auto flag = client.send(p::GetIsGenerating{model});
      running = client.answer<p::IsGenerating>(flag).is_generating;
      const std::string text = client.answer<p::ResponseBufferContent>(content).response_buffer_content;
      if (!running) {
        EXPECT_EQ(text, reply);
      }
    }
  }
}

TEST(Contract, S34_AnUnknownModelIsNotGenerating) {
  Client client;
  for (const std::int32_t id : {-1, 0, 5, 2147483647}) EXPECT_FALSE(client.generating(id));
  EXPECT_TRUE(client.all<p::Error>().empty());
}

TEST(Contract, S35_AStopOfAnIdleModelSaysNothing) {
  Client client;
  const auto model = client.load_reply("yes");
  std::vector<std::int64_t> stops;
  stops.push_back(client.send(p::Stop{model}));
  EXPECT_EQ(client.reply(model, {"Hi"}), "yes");
  stops.push_back(client.send(p::Stop{model}));
  stops.push_back(client.send(p::Stop{99}));
  stops.push_back(client.send(p::Stop{-1}));
  client.settle();
  for (const auto id : stops) EXPECT_TRUE(client.types(id).empty());
}

TEST(Contract, S36_ANaturalEndIsToldOnlyWhereAskedFor) {
  Client quiet;
  const auto model = quiet.load_reply("yes");
  const auto run = quiet.send(chat(model, {"Hi"}));
  quiet.wait_idle(model);
  std::this_thread::sleep_for(milliseconds(700));
  EXPECT_EQ(quiet.types(run), std::vector<std::string>{"GenerateStart"});

  p::PortOptions options;
  options.notify_generation_end = true;
  Client told(options);
  const auto other = told.load_reply("yes");
  const auto second = told.send(chat(other, {"Hi"}));
  const auto stop = told.answer<p::GenerateStop>(second);  // no poll comes: after a while by itself
  EXPECT_FALSE(stop.error);
  EXPECT_EQ(told.types(second), (std::vector<std::string>{"GenerateStart", "GenerateStop"}));
  const auto prefill = told.send(chat(other, {"Hi"}, 0));
  told.wait_idle(other);
  std::this_thread::sleep_for(milliseconds(600));
  EXPECT_EQ(told.types(prefill), std::vector<std::string>{"GenerateStart"});
}

TEST(Contract, S36_TheEndStandsBesideAPollSoThatNoTextIsLost) {
  p::PortOptions options;
  options.notify_generation_end = true;
  Client client(options);
  const auto model = client.load_reply("a few words", 300);
  for (int round = 0; round < 20; ++round) {
    const auto run = client.send(chat(model, {"Hi"}));
    // As the app polls: text, then flag.
    for (bool told = false; !told;) {
      client.text(model);
      client.generating(model);
      told = !client.all<p::GenerateStop>(run).empty();
    }
    const auto messages = client.messages();
    for (std::size_t i = 0; i < messages.size(); ++i) {
      if (messages[i].request_id != run || !messages[i].as<p::GenerateStop>()) continue;
      const auto* flag = i > 0 ? messages[i - 1].as<p::IsGenerating>() : nullptr;
      const bool after_false = flag && !flag->is_generating;
      const bool before_text = i + 1 < messages.size() && messages[i + 1].as<p::ResponseBufferContent>();
      EXPECT_TRUE(after_false || before_text);
    }
  }
}

TEST(Contract, S37_GenerateStartComesBeforeAnyTextOfItsRun) {
  Client client;
  const auto model = client.load_reply("new");
  const auto run = client.send(chat(model, {"Hi"}));
  for (int i = 0; i < 10; ++i) client.send(p::GetResponseBufferContent{model});
  client.wait_idle(model);
  const auto first = client.wait([&](const Message& m) { return m.request_id && *m.request_id >= run; });
  EXPECT_EQ(first->request_id, run);
  EXPECT_TRUE(first->as<p::GenerateStart>());
}

}  // namespace
}  // namespace rwkv::bridge::test
