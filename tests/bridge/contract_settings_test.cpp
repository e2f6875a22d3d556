// The chat template and what clients set.
#include "bridge/test_client.h"

namespace rwkv::bridge::test {
namespace {

// How the cache names what was evaluated: the whole of what the model was given.
std::string evaluated(Client& client, const p::ChatAsync& request) {
  client.send(p::ClearStates{request.model_id});
  auto prefill = request;
  prefill.max_length = 0;
  client.answer<p::GenerateStart>(client.send(prefill));
  client.wait_idle(request.model_id);
  std::string longest;
  for (const auto& node : client.ask<p::StateCacheInfo>(p::GetStateCacheInfo{request.model_id}).nodes) {
    if (node.text.size() > longest.size()) longest = node.text;
  }
  return longest;
}

TEST(Contract, S47_TheRenderedTextIsTheTemplates) {
  Client client;
  const auto model = client.load_reply("x");
  struct Example {
    std::vector<std::string> messages;
    bool reasoning;
    bool generation_prompt;
    std::string text;
  };
  const auto check = [&](const Example& example) {
    auto request = chat(model, example.messages);
    request.enable_reasoning = example.reasoning;
    request.add_generation_prompt = example.generation_prompt;
    EXPECT_EQ(evaluated(client, request), example.text);
  };
  for (const Example& example :
       std::vector<Example>{{{"Hi"}, false, true, "User: Hi\n\nAssistant:"},
                            {{"Hi"}, true, true, "User: Hi\n\nAssistant: <think"},
                            {{"Hi", "Hel"}, false, false, "User: Hi\n\nAssistant: Hel"},
                            {{"Hi", ""}, false, false, "User: Hi\n\nAssistant: "},
                            {{"Hi", "Hello"}, false, true, "User: Hi\n\nAssistant: Hello\n\nUser:"},
                            {{"Wh"}, false, false, "User: Wh"},
                            {{"a\n\nb"}, false, true, "User: a\nb\n\nAssistant:"}}) {
    check(example);
  }
  client.send(p::SetPrompt{"Prompt", model});
  client.send(p::SetUserRole{"English", model});
  client.send(p::SetResponseRole{"Chinese", model});
  check({{"Hi"}, false, true, "PromptEnglish: Hi\n\nChinese:"});
  client.send(p::SetPrompt{"", model});
  client.send(p::SetUserRole{"User", model});
  client.send(p::SetResponseRole{"Assistant", model});
  client.send(p::SetBosToken{"\x16", model});
  client.send(p::SetEosToken{"\x17", model});
  client.send(p::SetSpaceAfterRoles{false, model});
  check({{"x"},
         false,
         true,
         "\x16User:x\x17\x16"
         "Assistant:"});
}

TEST(Contract, S48_AnEvenListGoesOnWithTheAssistantsMessage) {
  Client client;
  const auto model = client.load_reply("one two");
  client.send(chat(model, {"Hi", "one"}));
  client.wait_idle(model);
  EXPECT_EQ(client.text(model), "one two");
}

// Further than the existing engine: there three newlines become two, which end a turn, and those at the ends stay, so
// that what somebody pastes becomes turns of a conversation.
TEST(Contract, S49_NewlinesOfUserMessagesAreNormalisedAndOthersAreNot) {
  Client client;
  const auto model = client.load_reply("x");
  EXPECT_EQ(evaluated(client, chat(model, {"\na\r\n\r\nb\n\n\nc\n", "d\r\n\n\ne", "f"})),
            "User: a\nb\nc\n\nAssistant: d\r\n\n\ne\n\nUser: f\n\nAssistant:");
}

TEST(Contract, S50_SettersChangeTheirModelOnly) {
  Client client;
  const auto a = client.load_reply("0123456789");
  const auto b = client.load_reply("0123456789");
  client.send(p::SetMaxLength{4, a});
  client.send(p::SetPrompt{"P", a});
  client.send(p::SetUserRole{"Somebody", a});
  client.send(sampler(a, 0.5, 3, 0.5));
  client.send(p::SetSeed{5, a});
  EXPECT_EQ(client.reply(a, {"Hi"}), "012");
  EXPECT_EQ(client.reply(b, {"Hi"}), "0123456789");
  EXPECT_EQ(client.ask<p::CurrentPrompt>(p::GetPrompt{b}).prompt, "");
  EXPECT_EQ(client.ask<p::SamplerParams>(p::GetSamplerParams{b}).top_k, 128);
  EXPECT_EQ(evaluated(client, chat(b, {"Hi"})), "User: Hi\n\nAssistant:");
  client.send(p::SetMaxLength{0, a});
  client.send(p::SetMaxLength{-5, a});
  EXPECT_EQ(client.reply(a, {"Hi"}), "012");
  client.send(p::SetGenerationStopToken{'0' + 1, a});
  client.send(completion(a, "Q:"));
  client.send(completion(b, "Q:", 3));
  client.wait_idle(a);
  client.wait_idle(b);
  // The stop token is the last one; whether its text is shown is left open.
  EXPECT_EQ(client.ask<p::ResponseBufferIds>(p::GetResponseBufferIds{a}).response_buffer_ids.back(), '0' + 1);
  EXPECT_EQ(client.text(a).substr(0, 3), "Q: ");
  EXPECT_LE(client.text(a).size(), 4u);
  EXPECT_EQ(client.text(b), "Q: 01");
}

TEST(Contract, S51_ARequestsOwnLimitsHoldForThatRunOnly) {
  Client client;
  const auto model = client.load_reply("0123456789");
  client.send(p::SetMaxLength{5, model});
  client.send(chat(model, {"Hi"}, 3));
  client.wait_idle(model);
  EXPECT_EQ(client.text(model), "01");
  EXPECT_EQ(client.reply(model, {"Hi"}), "0123");
  auto request = completion(model, "Q:", 100);
  request.stop_token = '3' + 1;
  client.send(request);
  client.wait_idle(model);
  EXPECT_EQ(client.ask<p::ResponseBufferIds>(p::GetResponseBufferIds{model}).response_buffer_ids.back(), '3' + 1);
  client.send(completion(model, "Q:"));
  client.wait_idle(model);
  EXPECT_EQ(client.text(model), "Q: 0123");
}

TEST(Contract, S52_SettersDuringARunDoNotCorruptIt) {
  Client client;
  const std::string reply = repeated("abcdefgh ", 20) + "end";
  const auto model = client.load_reply(reply, 500);
  client.answer<p::GenerateStart>(client.send(chat(model, {"Hi"})));
  for (int i = 0; client.generating(model); ++i) {
    client.send(p::SetPrompt{repeated("p", i), model});
    client.send(p::SetUserRole{repeated("u", i), model});
    client.send(p::SetEosToken{repeated("e", i), model});
    client.send(sampler(model, 0.5 + i, i, 0.5));
    client.send(p::SetTokenBanned{{i}, model});
    client.send(p::SetSeed{i, model});
    client.send(p::ClearStates{model});
  }
  EXPECT_EQ(client.text(model), reply);
}

TEST(Contract, S53_BannedTokensAreNotWrittenUntilTheBanIsLifted) {
  Client client;
  const auto model = client.load_tiny();
  client.send(greedy(model));
  const std::string free = client.reply(model, {"What is the sum of 63 and 81?"});
  client.send(p::SetTokenBanned{{0}, model});
  client.send(completion(model, "User: 20+8=\n\nAssistant: 28\n\n", 50));
  client.wait_idle(model);
  for (const auto id : client.ask<p::ResponseBufferIds>(p::GetResponseBufferIds{model}).response_buffer_ids) {
    EXPECT_NE(id, 0);
  }
  client.send(p::SetTokenBanned{{}, model});
  EXPECT_EQ(client.reply(model, {"What is the sum of 63 and 81?"}), free);

  const auto scripted = client.load_reply("aXb");
  client.send(p::SetTokenBanned{{'X' + 1}, scripted});
  EXPECT_EQ(client.reply(scripted, {"Hi"}).find('X'), std::string::npos);
  client.send(p::SetTokenBanned{{}, scripted});
  EXPECT_EQ(client.reply(scripted, {"Hi"}), "aXb");
}

TEST(Contract, S54_AnEmptyThinkingTokenAddsNothing) {
  Client client;
  const auto model = client.load_reply("x");
  client.send(p::SetThinkingToken{"", model});
  auto request = chat(model, {"Hi"});
  request.enable_reasoning = true;
  const std::string text = evaluated(client, request);
  EXPECT_TRUE(text == "User: Hi\n\nAssistant" || text == "User: Hi\n\nAssistant:") << text;
}

TEST(Contract, S55_ASecondQuestionEvaluatesOnlyWhatIsNew) {
  Client client;
  const auto model = client.load_reply("a long enough answer", 0, 20);
  const std::string question = repeated("many words ", 50);
  const std::string answer = client.reply(model, {question});
  const auto before = client.ask<p::StateCacheInfo>(p::GetStateCacheInfo{model});
  client.reply(model, {question, answer, "And now?"});
  const auto after = client.ask<p::StateCacheInfo>(p::GetStateCacheInfo{model});
  EXPECT_GT(after.hits, before.hits);
  EXPECT_GE(after.saved_tokens - before.saved_tokens, static_cast<std::int64_t>(question.size() + answer.size()));
}

}  // namespace
}  // namespace rwkv::bridge::test
