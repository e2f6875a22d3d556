// Whatever comes, the runtime answers and goes on.
#include <malloc.h>
#include <fstream>

#include "bridge/test_client.h"

namespace rwkv::bridge::test {
namespace {

std::size_t resident_bytes() {
  malloc_trim(0);  // what is free but not given back is no leak
  std::ifstream file("/proc/self/statm");
  std::size_t size = 0;
  std::size_t resident = 0;
  file >> size >> resident;
  return resident * 4096;
}

TEST(Contract, S72_OddTextsAreTextsLikeOthers) {
  Client client;
  const auto model = client.load_reply("yes");
  const std::string nul("a\0b", 3);
  for (const std::string& odd : {std::string(), nul, std::string("\xEF\xBF\xBD"), repeated("\n", 1000),
                                 repeated("User: ", 2000), std::string("</think><EOD>")}) {
    EXPECT_EQ(client.reply(model, {odd}), "yes");
    client.send(completion(model, odd, 2));
    client.wait_idle(model);
    EXPECT_TRUE(client.text(model).starts_with(odd));
    client.send(p::SetPrompt{odd, model});
    EXPECT_EQ(client.ask<p::CurrentPrompt>(p::GetPrompt{model}).prompt, odd);
    client.send(p::SetPrompt{"", model});
    client.send(p::SaveRuntimeStateByHistory{{odd, odd}, "/no/such/folder/" + odd, model});
    client.send(p::LoadRuntimeStateToMemory{odd, model});
    client.send(p::SetImageUniqueIdentifier{odd});
  }
  // A surrogate without its partner becomes U+FFFD.
  client.send_text(R"({"type": "SetPrompt", "prompt": "a\ud800b", "modelID": 0})");
  EXPECT_EQ(client.ask<p::CurrentPrompt>(p::GetPrompt{model}).prompt,
            "a\xEF\xBF\xBD"
            "b");
}

TEST(Contract, S72_MessagesOfMegabytesAndThousandsOfMessagesAreServed) {
  Client client;
  const auto model = client.load_reply("yes");
  EXPECT_EQ(client.ask<p::TokensCount>(p::CalculateTokensCountRaw{std::string(8 << 20, 'x'), model}).tokens_count,
            8 << 20);
  std::vector<std::string> messages(5001, "m");
  client.send(chat(model, messages, 0));
  client.wait_idle(model);
  std::vector<std::int64_t> ids;
  for (int i = 0; i < 5000; ++i) ids.push_back(client.send(p::GetIsGenerating{model}));
  client.answer<p::IsGenerating>(ids.back());
  EXPECT_TRUE(client.all<p::Error>().empty());
  EXPECT_TRUE(client.all<p::GenerateStop>().empty());
}

TEST(Contract, S73_S74_RequestsForUnknownModelsAreAnsweredOnce) {
  Client client;
  const auto refused = [&](const p::Request& request) {
    const auto id = client.send(request);
    client.settle();
    EXPECT_EQ(client.types(id), std::vector<std::string>{"Error"});
  };
  refused(p::SetPrompt{"x", 9});
  refused(p::SetMaxLength{5, 9});
  refused(p::SetTokenBanned{{1}, 9});
  refused(p::SetSeed{1, 9});
  refused(p::RunEvaluation{"a", "b", 9});
  refused(p::SaveRuntimeStateByHistory{{"a"}, "/x", 9});
  refused(p::CalculateTokensCountRaw{"x", 9});
  refused(p::SetUserRole{"x", -1});
  for (const p::Request& request :
       {p::Request(chat(9, {"Hi"})), p::Request(completion(-1, "Hi")), p::Request(batch_chat(9, {{"a"}, {"b"}}))}) {
    const auto id = client.send(request);
    client.settle();
    EXPECT_EQ(client.types(id), std::vector<std::string>{"GenerateStop"});
    EXPECT_TRUE(client.answer<p::GenerateStop>(id).error);
  }
}

TEST(Contract, S73_BadValuesAreRefusedAndChangeNothing) {
  Client client;
  const auto model = client.load_reply("yes");
  const auto refused = [&](const p::Request& request) {
    const auto id = client.send(request);
    client.settle();
    EXPECT_EQ(client.types(id), std::vector<std::string>{"Error"});
    EXPECT_EQ(client.answer<p::Error>(id).code, "invalid_argument");
  };
  refused(chat(model, {}));
  refused(chat(model, {"x"}, -1));
  refused(completion(model, "x", -7));
  auto language = chat(model, {"x"});
  language.force_lang = 9;
  refused(language);
  auto batch = completion(model, "x");
  batch.batch = -1;
  refused(batch);
  batch.batch = 2'000'000'000;
  refused(batch);
  refused(p::GetSamplerAndPenaltyParams{model, 2'000'000'000});
  EXPECT_EQ(client.reply(model, {"Hi"}), "yes");
}

TEST(Contract, S75_TenThousandPollsAndAThousandRoundsLeaveNoMemoryBehind) {
  p::PortOptions options;
  Client client(options);
  const auto model = client.load_reply("a reply of a few words");
  // Counts answers instead of keeping them.
  const auto rounds = [&](int polls, int chats) {
    Client other({}, client.name());
    for (int i = 0; i < polls; ++i) {
      other.send(p::GetResponseBufferContent{model});
      other.send(p::GetIsGenerating{model});
      if (i % 100 == 0) other.settle();
    }
    for (int i = 0; i < chats; ++i) {
      other.answer<p::GenerateStart>(other.send(chat(model, {"Hi"})));
      other.wait_idle(model);
    }
  };
  rounds(5000, 150);
  rounds(5000, 150);  // until here the allocator settles
  [[maybe_unused]] const std::size_t before = resident_bytes();
  rounds(5000, 150);
  [[maybe_unused]] const std::size_t after = resident_bytes();
#ifndef __SANITIZE_ADDRESS__  // which keeps freed memory for a while, and finds leaks itself
  EXPECT_LT(after, before + (4u << 20)) << "grew by " << after - before;
#endif
}

}  // namespace
}  // namespace rwkv::bridge::test
