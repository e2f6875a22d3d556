// What polls read.
#include "bridge/test_client.h"

namespace rwkv::bridge::test {
namespace {

TEST(Contract, S15_AfterGenerateStartNothingOfTheLastRunIsRead) {
  Client client;
  const auto model = client.load_reply("old answer", 0, 2000);
  EXPECT_EQ(client.reply(model, {"Hi"}), "old answer");
  client.send(p::ClearStates{model});
  client.send(chat(model, {"Once more"}));
  EXPECT_EQ(client.text(model), "");
  EXPECT_EQ(client.batch(model).response_buffer_content, std::vector<std::string>{""});
  EXPECT_EQ(client.ask<p::TokensCount>(p::GetResponseBufferTokensCount{model}).tokens_count, 0);
}

TEST(Contract, S16_TextOnlyGrowsAndCharactersComeWhole) {
  Client client;
  const std::string reply = repeated("h\u00e9llo \u4f60\u597d \U0001F600 ", 20) + "end";
  const auto model = client.load_reply(reply, 300);
  client.send(chat(model, {"Hi"}));
  std::string last;
  for (bool running = true; running;) {
    running = client.generating(model);
    const std::string now = client.text(model);
    EXPECT_TRUE(now.starts_with(last)) << last << " / " << now;
    EXPECT_TRUE(reply.starts_with(now)) << now;  // never a replacement character
    last = now;
  }
  EXPECT_EQ(last, reply);
}

TEST(Contract, S17_AReasonedReplyStartsWithTheThinkingToken) {
  Client client;
  const auto model = client.load_script(R"("replies": [{"say": "<think>hm</think>Yes."}])");
  auto request = chat(model, {"Hi"});
  request.enable_reasoning = true;
  client.send(request);
  client.wait_idle(model);
  EXPECT_EQ(client.text(model), "<think>hm</think>Yes.");
}

TEST(Contract, S18_AResumedReplyStartsWithWhatThereWas) {
  Client client;
  const auto model = client.load_reply("Hello there, friend", 500);
  client.answer<p::GenerateStart>(client.send(chat(model, {"Hi", "Hello th"})));
  for (bool running = true; running;) {
    running = client.generating(model);
    const std::string now = client.text(model);
    EXPECT_TRUE(now.empty() || now.starts_with("Hello th")) << now;
  }
  EXPECT_EQ(client.text(model), "Hello there, friend");
}

TEST(Contract, S19_ACompletionStartsWithThePromptExactly) {
  Client client;
  const auto model = client.load_script("");
  const std::string prompt = "  \r\n\n\nTwo: \u00e9\n\n";
  client.send(completion(model, prompt, 3));
  client.wait_idle(model);
  EXPECT_TRUE(client.text(model).starts_with(prompt));
  auto several = completion(model, prompt, 3);
  several.batch = 3;
  client.send(several);
  client.wait_idle(model);
  const auto texts = client.batch(model).response_buffer_content;
  ASSERT_EQ(texts.size(), 3u);
  for (const std::string& text : texts) EXPECT_TRUE(text.starts_with(prompt)) << text;
}

TEST(Contract, S20_TheEndOfAChatIsTrimmedAndTheStopIsNotText) {
  Client client;
  const auto model = client.load_reply("Done.\\n");
  EXPECT_EQ(client.reply(model, {"Hi"}), "Done.");
  const auto other = client.load_reply("Done.\\u0017");
  EXPECT_EQ(client.reply(other, {"Hi"}), "Done.");
}

TEST(Contract, S21_AfterAStopTheTextStaysAndNoEndWasFound) {
  Client client;
  const auto model = client.load_reply(repeated("long ", 2000), 500);
  client.send(chat(model, {"Hi"}));
  client.wait_text(model, 20);
  const auto stop = client.send(p::Stop{model});
  client.answer<p::GenerateStop>(stop);
  const std::string text = client.text(model);
  EXPECT_GE(text.size(), 20u);
  for (int i = 0; i < 3; ++i) {
    const auto again = client.ask<p::ResponseBufferContent>(p::GetResponseBufferContent{model});
    EXPECT_EQ(again.response_buffer_content, text);
    EXPECT_FALSE(again.eos_found);
  }
}

TEST(Contract, S22_EosFoundTellsAnEndOfTheModelsOwnFromTheLimit) {
  Client client;
  const auto model = client.load_reply("A short one");
  EXPECT_EQ(client.reply(model, {"Hi"}), "A short one");
  EXPECT_TRUE(client.ask<p::ResponseBufferContent>(p::GetResponseBufferContent{model}).eos_found);
  client.send(chat(model, {"Hi"}, 5));
  client.wait_idle(model);
  const auto cut = client.ask<p::ResponseBufferContent>(p::GetResponseBufferContent{model});
  EXPECT_EQ(cut.response_buffer_content, "A sh");  // the leading space is the fifth token
  EXPECT_FALSE(cut.eos_found);
}

TEST(Contract, S23_ARunClearsTheTextOfItsOwnModelOnly) {
  Client client;
  const auto a = client.load_reply("from a");
  const auto b = client.load_reply("from b", 0, 1000);
  EXPECT_EQ(client.reply(a, {"Hi"}), "from a");
  client.send(chat(b, {"Hi"}));
  EXPECT_EQ(client.text(a), "from a");
  client.wait_idle(b);
  EXPECT_EQ(client.text(a), "from a");
  EXPECT_EQ(client.text(b), "from b");
}

TEST(Contract, S24_APrefillLeavesNoText) {
  Client client;
  const auto model = client.load_reply("never said");
  client.send(chat(model, {"Hi"}, 0));
  client.wait_idle(model);
  const auto content = client.ask<p::ResponseBufferContent>(p::GetResponseBufferContent{model});
  EXPECT_EQ(content, p::ResponseBufferContent{});
  EXPECT_TRUE(client.all<p::GenerateStop>().empty());
  EXPECT_TRUE(client.all<p::Error>().empty());
}

TEST(Contract, S25_ABatchAlwaysHasOneTextASlotInOrder) {
  Client client;
  const auto model = client.load_script(
      R"("decode_us": 500, "replies": [{"when": "one", "say": "1"}, {"when": "two", "say": "second"},
         {"when": "three", "say": "the third and longest"}])");
  const auto run = client.send(batch_chat(model, {{"one"}, {"two"}, {"three"}}));
  client.answer<p::GenerateStart>(run);
  for (bool running = true; running;) {
    running = client.generating(model);
    const auto batch = client.batch(model);
    EXPECT_EQ(batch.batch_size, 3);
    EXPECT_EQ(batch.response_buffer_content.size(), 3u);
    EXPECT_EQ(batch.eos_found.size(), 3u);
  }
  const auto batch = client.batch(model);
  EXPECT_EQ(batch.response_buffer_content, (std::vector<std::string>{"1", "second", "the third and longest"}));
  EXPECT_EQ(batch.eos_found, (std::vector<bool>{true, true, true}));
}

TEST(Contract, S26_ASlotThatEndsDoesNotChangeItsNeighbour) {
  Client client;
  const auto model = client.load_script(
      R"("replies": [{"when": "short", "say": "x"}, {"say": "the same text as when it runs alone"}])");
  const std::string alone = client.reply(model, {"long"});
  client.send(batch_chat(model, {{"short"}, {"long"}, {"short"}}));
  client.wait_idle(model);
  EXPECT_EQ(client.batch(model).response_buffer_content, (std::vector<std::string>{"x", alone, "x"}));
}

TEST(Contract, S27_ReadingChangesNothing) {
  Client client;
  const auto model = client.load_tiny();
  client.send(greedy(model));
  const std::string unread = client.reply(model, {"What is the sum of 63 and 81?"});
  client.send(chat(model, {"What is the sum of 63 and 81?"}));
  for (bool running = true; running; running = client.generating(model)) {
    for (int i = 0; i < 20; ++i) client.send(p::GetResponseBufferContent{model});
  }
  EXPECT_EQ(client.text(model), unread);
  EXPECT_NE(unread.find("144"), std::string::npos) << unread;
}

TEST(Contract, S28_ARoleNameInTheTextCutsNothingOff) {
  Client client;
  const auto model = client.load_reply("As I said, Assistant: is my name. User: is yours");
  EXPECT_EQ(client.reply(model, {"Hi"}), "As I said, Assistant: is my name. User: is yours");
  client.send(chat(model, {"Hi", "As I said, Assistant: is"}));
  client.wait_idle(model);
  EXPECT_EQ(client.text(model), "As I said, Assistant: is my name. User: is yours");
}

}  // namespace
}  // namespace rwkv::bridge::test
