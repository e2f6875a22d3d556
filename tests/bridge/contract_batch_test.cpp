// Several conversations at once.
#include <set>

#include "bridge/test_client.h"

namespace rwkv::bridge::test {
namespace {

TEST(Contract, S56_SupportedBatchSizesAreStable) {
  Client client;
  const auto model = client.load_tiny();
  const auto sizes = client.ask<p::SupportedBatchSizes>(p::GetSupportedBatchSizes{model}).supported_batch_sizes;
  EXPECT_FALSE(sizes.empty());
  for (std::size_t i = 0; i < sizes.size(); ++i) EXPECT_GT(sizes[i], i > 0 ? sizes[i - 1] : 1);
  client.send(batch_chat(model, {{"2+3="}, {"4+5="}}));
  EXPECT_EQ(client.ask<p::SupportedBatchSizes>(p::GetSupportedBatchSizes{model}).supported_batch_sizes, sizes);
  client.wait_idle(model);
  EXPECT_EQ(client.ask<p::SupportedBatchSizes>(p::GetSupportedBatchSizes{model}).supported_batch_sizes, sizes);
}

TEST(Contract, S57_EverySizeWorksForChatAndCompletion) {
  Client client;
  const auto model = client.load_script(R"("replies": [{"when": "odd", "say": "1"}, {"say": "two"}])");
  for (const int size : {1, 2, 3, 5, 7, 8, 16, 17, 33, 100}) {
    std::vector<std::vector<std::string>> conversations;
    std::vector<std::string> expected;
    for (int i = 0; i < size; ++i) {
      conversations.push_back({i % 2 ? "odd" : "even"});
      expected.emplace_back(i % 2 ? "1" : "two");
    }
    client.send(batch_chat(model, conversations));
    client.wait_idle(model);
    EXPECT_EQ(client.batch(model).response_buffer_content, expected);
    auto request = completion(model, "Q:", 4);
    request.batch = size;
    client.send(request);
    client.wait_idle(model);
    EXPECT_EQ(client.batch(model).response_buffer_content,
              std::vector<std::string>(static_cast<std::size_t>(size), "Q: two"));
  }
  EXPECT_TRUE(client.all<p::Error>().empty());
}

TEST(Contract, S57_ARealModelAnswersABatchOfAnySizeAsItAnswersOne) {
  Client client;
  const auto model = client.load_tiny();
  client.send(greedy(model));
  std::vector<std::vector<std::string>> conversations;
  std::vector<std::string> alone;
  for (int i = 0; i < 11; ++i) {
    conversations.push_back({"What is the sum of " + std::to_string(10 + i) + " and 5?"});
    alone.push_back(client.reply(model, conversations.back()));
    EXPECT_NE(alone.back(), "");
  }
  client.send(batch_chat(model, conversations));
  client.wait_idle(model);
  EXPECT_EQ(client.batch(model).response_buffer_content, alone);
}

TEST(Contract, S58_SamplingOfManySlotsIsReadAsItWasSet) {
  Client client;
  const auto model = client.load_script("");
  p::SetSamplerAndPenaltyParams set;
  set.model_id = model;
  for (int i = 0; i < 100; ++i) {
    set.temperatures.push_back(0.5 + i * 0.01);
    set.top_ks.push_back(i);
    set.top_ps.push_back(i * 0.01);
    set.presence_penalties.push_back(i * 0.02);
    set.frequency_penalties.push_back(i * 0.03);
    set.penalty_decays.push_back(0.9 + i * 0.001);
  }
  client.send(set);
  for (const int size : {0, 1, 40, 100}) {
    const auto got = client.ask<p::SamplerAndPenaltyParams>(p::GetSamplerAndPenaltyParams{model, size});
    const auto check = [&](const std::vector<double>& values, const std::vector<double>& expected) {
      ASSERT_EQ(values.size(), static_cast<std::size_t>(size));
      for (std::size_t i = 0; i < values.size(); ++i) EXPECT_NEAR(values[i], expected[i], 0.01);
    };
    check(got.temperatures, set.temperatures);
    check(got.top_ks, set.top_ks);
    check(got.top_ps, set.top_ps);
    check(got.presence_penalties, set.presence_penalties);
    check(got.frequency_penalties, set.frequency_penalties);
    check(got.penalty_decays, set.penalty_decays);
  }
  auto uneven = set;
  uneven.top_ps.pop_back();
  const auto id = client.send(uneven);
  client.answer<p::Error>(id);
  EXPECT_NEAR(client.ask<p::SamplerAndPenaltyParams>(p::GetSamplerAndPenaltyParams{model, 100}).temperatures[99], 1.49,
              0.01);
}

TEST(Contract, S59_CommonParametersHoldForAllSlots) {
  Client client;
  const auto model = client.load_script("");
  p::SetSamplerAndPenaltyParams own{{0.5, 0.6}, {1, 2}, {0.1, 0.2}, {0, 0}, {0, 0}, {0.9, 0.9}, model};
  client.send(own);
  client.send(p::SetSamplerParams{0.7, 9, 0.3, 0.1, 0.2, 0.95, model});
  const auto got = client.ask<p::SamplerAndPenaltyParams>(p::GetSamplerAndPenaltyParams{model, 50});
  for (std::size_t i = 0; i < 50; ++i) {
    EXPECT_NEAR(got.temperatures[i], 0.7, 0.01);
    EXPECT_NEAR(got.top_ks[i], 9, 0.01);
    EXPECT_NEAR(got.penalty_decays[i], 0.95, 0.01);
  }
}

// Slots with top-k 1 must say what greedy decoding says, whatever their neighbours do and whenever those end; covers
// penalties of slots too: the greedy slots would write something else with any.
TEST(Contract, S60_SlotsKeepTheirSamplingToTheEnd) {
  Client client;
  const auto model = client.load_tiny();
  client.send(greedy(model));
  const std::string question = "User: Calculate 82+40\n\nAssistant:";
  client.send(completion(model, question, 40));
  client.wait_idle(model);
  const std::string expected = client.text(model);
  p::SetSamplerAndPenaltyParams set;
  set.model_id = model;
  for (int i = 0; i < 6; ++i) {
    const bool plain = i % 2 == 1;
    set.temperatures.push_back(plain ? 1 : 5);
    set.top_ks.push_back(plain ? 1 : 0);
    set.top_ps.push_back(1);
    set.presence_penalties.push_back(plain ? 0 : 2);
    set.frequency_penalties.push_back(plain ? 0 : 2);
    set.penalty_decays.push_back(plain ? 0 : 0.996);
  }
  client.send(set);
  auto request = completion(model, question, 40);
  request.batch = 6;
  client.send(request);
  client.wait_idle(model);
  const auto texts = client.batch(model).response_buffer_content;
  ASSERT_EQ(texts.size(), 6u);
  for (const std::size_t i : {1u, 3u, 5u}) EXPECT_EQ(texts[i], expected) << i;
  EXPECT_EQ(std::set<std::string>(texts.begin(), texts.end()).size(),
            4u);  // the hot ones differ from it and each other
}

TEST(Contract, S61_TheSingleTextIsThatOfSlotZeroAndABatchOfOneHasBoth) {
  Client client;
  const auto model = client.load_script(R"("replies": [{"when": "a", "say": "first"}, {"say": "second"}])");
  client.send(batch_chat(model, {{"a"}, {"b"}}));
  client.wait_idle(model);
  EXPECT_EQ(client.text(model), "first");
  client.send(batch_chat(model, {{"b"}}));
  client.wait_idle(model);
  EXPECT_EQ(client.text(model), "second");
  EXPECT_EQ(client.batch(model).response_buffer_content, std::vector<std::string>{"second"});
  EXPECT_EQ(client.reply(model, {"a"}), "first");
  EXPECT_EQ(client.batch(model).response_buffer_content, std::vector<std::string>{"first"});
}

TEST(Contract, ABatchOfTheWrongSizeIsRefused) {
  Client client;
  const auto model = client.load_script("");
  auto request = batch_chat(model, {{"a"}, {"b"}});
  for (const int size : {0, 1, 3, -2}) {
    request.batch_size = size;
    const auto id = client.send(request);
    const auto error = client.answer<p::Error>(id);
    EXPECT_EQ(error.message, "Batch size does not match messages length");
    EXPECT_EQ(error.ret_val, -1);
    EXPECT_EQ(client.types(id), std::vector<std::string>{"Error"});
  }
  EXPECT_FALSE(client.generating(model));
}

}  // namespace
}  // namespace rwkv::bridge::test
