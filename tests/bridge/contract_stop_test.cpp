// Stopping, going on, making way.
#include <algorithm>

#include "bridge/test_client.h"

namespace rwkv::bridge::test {
namespace {

TEST(Contract, S38_StopThenChatStartsWithoutBusyError) {
  Client client;
  const auto model = client.load_reply(repeated("long ", 1000), 500);
  std::vector<p::Request> seconds{chat(model, {"Hi"}), completion(model, "x", 5), batch_chat(model, {{"a"}, {"b"}})};
  for (int round = 0; round < 30; ++round) {
    client.send(chat(model, {"Hi"}));
    const auto stop = client.send(p::Stop{model});
    const auto second = client.send(seconds[static_cast<std::size_t>(round) % seconds.size()]);
    const auto last = client.send(p::Stop{model});
    client.answer<p::GenerateStop>(stop);
    client.settle();
    EXPECT_EQ(client.types(second), std::vector<std::string>{"GenerateStart"});
    client.wait_idle(model);
    EXPECT_LE(client.all<p::GenerateStop>(last).size(), 1u);
  }
  EXPECT_TRUE(client.all<p::Error>().empty());
}

// Time from a Stop to its GenerateStop, in milliseconds.
double stop_time(Client& client, std::int32_t model) {
  const auto before = Clock::now();
  client.answer<p::GenerateStop>(client.send(p::Stop{model}));
  return std::chrono::duration<double, std::milli>(Clock::now() - before).count();
}

void expect_short(std::vector<double> times, const std::string& phase) {
  std::sort(times.begin(), times.end());
  const double p99 = times[times.size() * 99 / 100];
  const double median = times[times.size() / 2];
  testing::Test::RecordProperty(phase + "_p99_ms", std::to_string(p99));
  std::printf("stop in %s: median %.1f ms, p99 %.1f ms\n", phase.c_str(), median, p99);
  EXPECT_LE(median, 50) << phase;
}

TEST(Contract, S39_AStopEndsARunSoonInEveryPhase) {
  Client client;
  std::vector<std::int32_t> models;
  for (int i = 0; i < 4; ++i) models.push_back(client.load_reply(repeated("long ", 1000), 2000, 1000));
  const std::string question = repeated("a long question ", 200);
  std::vector<double> prefill;
  std::vector<double> decode;
  std::vector<double> load;
  for (int round = 0; round < 30; ++round) {
    const auto model = models[static_cast<std::size_t>(round) % models.size()];
    client.send(p::ClearStates{model});
    client.answer<p::GenerateStart>(client.send(chat(model, {question})));
    std::this_thread::sleep_for(milliseconds(5));
    EXPECT_EQ(client.text(model), "");
    prefill.push_back(stop_time(client, model));

    client.answer<p::GenerateStart>(client.send(chat(model, {"Hi"})));
    client.wait_text(model, 3);
    decode.push_back(stop_time(client, model));

    const auto before = Clock::now();
    const auto id = client.start_load(client.script(R"("load_ms": 10000)"), "scripted");
    client.wait([&](const Message& m) { return m.request_id == id; });
    client.send(p::Stop{4});
    client.wait([&](const Message& m) {
      const auto* steps = m.as<p::LoadModelSteps>();
      return m.request_id == id && steps->status == p::LoadingStatus::kFailedInLoading;
    });
    load.push_back(std::chrono::duration<double, std::milli>(Clock::now() - before).count());
  }
  expect_short(prefill, "prefill");
  expect_short(decode, "decode");
  expect_short(load, "load");
}

TEST(Contract, S39_AStopEndsAPuzzle) {
  Client client;
  const auto model = client.load_script(R"("decode_us": 500)");
  const auto run = client.send(p::SudokuOthelloGenerate{"x", model, true});
  client.wait([&](const Message& m) { return m.as<p::StreamResponse>() != nullptr; });
  const auto stop = client.send(p::Stop{model});
  client.answer<p::GenerateStop>(stop);
  client.settle();
  EXPECT_EQ(client.all<p::SudokuOthelloResponse>(run).size(), 1u);
  EXPECT_TRUE(client.all<p::GenerateStop>(run).empty());
  EXPECT_FALSE(client.generating(model));
}

// The evaluation goes on and is answered; only the generation that waits for it is over.
TEST(Contract, S39_AStopDoesNotWaitForAnEvaluationInFrontOfItsRun) {
  Client client;
  const auto model = client.load_reply("words", 0, 2000);
  const std::string text = repeated("a long text ", 40);  // a second
  for (const p::Request& request : {p::Request(chat(model, {"Hi"})), p::Request(completion(model, "x")),
                                    p::Request(p::SudokuOthelloGenerate{"x", model, true})}) {
    const auto evaluation = client.send(p::RunEvaluation{text, "b", model});
    const auto run = client.send(request);
    client.answer<p::GenerateStart>(run);
    client.answer<p::GenerateStop>(client.send(p::Stop{model}));
    EXPECT_TRUE(client.all<p::EvaluationResults>(evaluation).empty());
    EXPECT_FALSE(client.generating(model));
    client.answer<p::EvaluationResults>(evaluation);
  }
  EXPECT_EQ(client.reply(model, {"Hi"}), "words");
}

TEST(Contract, S40_AStopIsAnsweredByExactlyOneGenerateStop) {
  Client client;
  const auto model = client.load_reply(repeated("long ", 1000), 500);
  const auto run = client.send(chat(model, {"Hi"}));
  client.wait_text(model, 5);
  const auto stop = client.send(p::Stop{model});
  const auto flag = client.send(p::GetIsGenerating{model});
  EXPECT_FALSE(client.answer<p::IsGenerating>(flag).is_generating);
  std::this_thread::sleep_for(milliseconds(600));
  client.settle();
  EXPECT_EQ(client.types(stop), std::vector<std::string>{"GenerateStop"});
  EXPECT_FALSE(client.answer<p::GenerateStop>(stop).error);
  EXPECT_EQ(client.types(run), std::vector<std::string>{"GenerateStart"});
  EXPECT_GE(client.text(model).size(), 5u);
}

TEST(Contract, S41_TheSecondOfTwoStopsSaysNothing) {
  Client client;
  const auto model = client.load_reply(repeated("long ", 1000), 500);
  for (int round = 0; round < 20; ++round) {
    client.answer<p::GenerateStart>(client.send(chat(model, {"Hi"})));
    const auto first = client.send(p::Stop{model});
    const auto second = client.send(p::Stop{model});
    client.answer<p::GenerateStop>(first);
    client.text(model);
    EXPECT_EQ(client.types(first).size(), 1u);
    EXPECT_TRUE(client.types(second).empty());
  }
}

// Stops a greedy reply somewhere in its middle and goes on from the text there was.
void expect_resumed(Client& client, std::int32_t model, const std::string& question) {
  client.send(p::ClearStates{model});
  const std::string whole = client.reply(model, {question});
  ASSERT_FALSE(whole.empty());
  for (int tokens = 1; tokens < 6; ++tokens) {
    client.send(chat(model, {question}, tokens));
    client.wait_idle(model);
    const std::string part = client.text(model);
    EXPECT_TRUE(whole.starts_with(part));
    client.send(p::ClearStates{model});
    EXPECT_EQ(client.reply(model, {question, part}), whole) << "after '" << part << "'";
  }
}

TEST(Contract, S42_APausedReplyGoesOnAsIfItHadNotBeen) {
  Client client;
  const auto scripted = client.load_reply("The quick brown fox");
  expect_resumed(client, scripted, "Hi");

  const auto slow = client.load_reply("The quick brown fox jumps over the dog", 1000);
  client.send(chat(slow, {"Hi"}));
  client.wait_text(slow, 5);
  client.answer<p::GenerateStop>(client.send(p::Stop{slow}));
  const std::string part = client.text(slow);
  EXPECT_LT(part.size(), 38u);
  EXPECT_EQ(client.reply(slow, {"Hi", part}), "The quick brown fox jumps over the dog");
}

TEST(Contract, S43_AStoppedBatchGoesOnSlotForSlot) {
  Client client;
  const auto model = client.load_script(R"("replies": [{"when": "a", "say": "first"}, {"say": "second one"}])");
  p::ChatBatchAsync request;
  request.model_id = model;
  request.slot_configs =
      std::vector<p::ChatBatchSlotConfig>{{{"a", "fi"}, false, false, std::nullopt, std::nullopt},
                                          {{"b", ""}, false, false, std::nullopt, std::nullopt},
                                          {{"b", "second one"}, false, false, std::nullopt, std::nullopt}};
  client.answer<p::GenerateStart>(client.send(request));
  client.wait_idle(model);
  EXPECT_EQ(client.batch(model).response_buffer_content,
            (std::vector<std::string>{"first", "second one", "second one"}));
}

TEST(Contract, S44_APrefillMakesWayForARun) {
  Client client;
  const auto model = client.load_reply("answer", 0, 1000);
  const auto prefill = client.send(chat(model, {repeated("long question ", 50)}, 0));
  const auto run = client.send(chat(model, {"Hi"}));
  EXPECT_TRUE(client.generating(model));
  client.answer<p::GenerateStart>(run);
  client.wait_idle(model);
  EXPECT_EQ(client.text(model), "answer");
  std::this_thread::sleep_for(milliseconds(600));
  client.settle();
  EXPECT_EQ(client.types(prefill), std::vector<std::string>{"GenerateStart"});
  EXPECT_TRUE(client.all<p::Error>().empty());
}

TEST(Contract, S45_ARunIsNotDisturbedByASecondOne) {
  Client client;
  const std::string reply = repeated("abc ", 30) + "end";
  const auto model = client.load_reply(reply, 500);
  client.answer<p::GenerateStart>(client.send(chat(model, {"Hi"})));
  for (const p::Request& request :
       {p::Request(chat(model, {"Hi"})), p::Request(completion(model, "x")), p::Request(batch_chat(model, {{"a"}})),
        p::Request(p::SudokuOthelloGenerate{"x", model, true}), p::Request(chat(model, {"Hi"}, 0))}) {
    const auto id = client.send(request);
    EXPECT_EQ(client.answer<p::Error>(id).message, "LLM is already generating");
    EXPECT_EQ(client.types(id), std::vector<std::string>{"Error"});
  }
  client.wait_idle(model);
  EXPECT_EQ(client.text(model), reply);
}

TEST(Contract, S46_ClearStatesKeepsTextPromptRolesAndSampling) {
  Client client;
  const auto model = client.load_reply("kept");
  client.send(p::SetPrompt{"Be nice.\n\n", model});
  client.send(sampler(model, 0.5, 7, 0.25));
  EXPECT_EQ(client.reply(model, {"Hi"}), "kept");
  const auto clear = client.send(p::ClearStates{model});
  EXPECT_EQ(client.text(model), "kept");
  EXPECT_EQ(client.ask<p::CurrentPrompt>(p::GetPrompt{model}).prompt, "Be nice.\n\n");
  EXPECT_EQ(client.ask<p::SamplerParams>(p::GetSamplerParams{model}).top_k, 7);
  EXPECT_EQ(client.ask<p::StateInfo>(p::DumpStateInfo{model}).state_info, "");
  client.send(p::ClearStates{-1});
  client.send(p::ClearStates{99});
  client.settle();
  EXPECT_TRUE(client.types(clear).empty());
  EXPECT_TRUE(client.all<p::Error>().empty());
}

}  // namespace
}  // namespace rwkv::bridge::test
