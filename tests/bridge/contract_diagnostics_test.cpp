// Counts, evaluation, speeds, log and states.
#include <algorithm>
#include <cmath>

#include "base/log.h"
#include "bridge/test_client.h"

namespace rwkv::bridge::test {
namespace {

TEST(Contract, S62_TokenCountsAreAnsweredByIdEvenDuringARun) {
  Client client;
  const auto model = client.load_reply(repeated("long ", 500), 2000);
  client.send(chat(model, {"Hi"}));
  for (int i = 0; i < 20; ++i) {
    const auto before = Clock::now();
    const auto raw = client.send(p::CalculateTokensCountRaw{repeated("x", i), model});
    const auto rendered = client.send(p::CalculateTokensCountFromMessages{{repeated("x", i)}, model});
    EXPECT_EQ(client.answer<p::TokensCount>(raw).tokens_count, i);
    EXPECT_EQ(client.answer<p::TokensCount>(rendered).tokens_count, i + 6);  // "User: "
    EXPECT_LT(Clock::now() - before, milliseconds(3000));
  }
  EXPECT_TRUE(client.generating(model));
  EXPECT_EQ(client.ask<p::TokensCount>(p::CalculateTokensCountRaw{"", model}).tokens_count, 0);
  EXPECT_EQ(client.ask<p::TokensCount>(p::CalculateTokensCountFromMessages{{}, model}).tokens_count, 0);
}

TEST(Contract, S63_EvaluationsAreAnsweredInOrderAndLeaveNoState) {
  Client client;
  const auto model = client.load_tiny();
  std::vector<std::int64_t> ids;
  for (int i = 0; i < 4; ++i) ids.push_back(client.send(p::RunEvaluation{"20+8=", i % 2 ? "28" : "zz", model}));
  double likely = 0;
  double unlikely = 0;
  for (std::size_t i = 0; i < ids.size(); ++i) {
    const auto result = client.answer<p::EvaluationResults>(ids[i]);
    ASSERT_EQ(result.logits.size(), 1u);
    (i % 2 ? likely : unlikely) = result.logits[0];
    EXPECT_TRUE(std::isfinite(result.logits[0]));
    EXPECT_LT(result.logits[0], 0);
  }
  EXPECT_GT(likely, unlikely);
  std::vector<std::int64_t> order;
  for (const Message& message : client.messages()) {
    if (message.as<p::EvaluationResults>()) order.push_back(*message.request_id);
  }
  EXPECT_EQ(order, ids);
  client.send(greedy(model));
  EXPECT_EQ(client.reply(model, {"20+8="}), "28");
}

TEST(Contract, S64_EvaluationListsAreNeverEmpty) {
  Client client;
  const auto model = client.load_script("");
  const auto result = client.ask<p::EvaluationResults>(p::RunEvaluation{"", "x", model});
  EXPECT_EQ(result.logits.size(), 1u);
  EXPECT_EQ(result.corrects.size(), 1u);
  EXPECT_EQ(result.output_texts.size(), 1u);
  const auto failed = client.send(p::RunEvaluation{"x", "", model});
  client.answer<p::Error>(failed);
  EXPECT_EQ(client.types(failed), std::vector<std::string>{"Error"});
}

TEST(Contract, S65_SpeedsAreFiniteAndProgressDoesNotFall) {
  Client client;
  const auto model = client.load_reply("yes", 1000, 100);
  const auto idle = client.ask<p::Speed>(p::GetPrefillAndDecodeSpeed{model});
  EXPECT_EQ(idle, p::Speed{});
  client.send(chat(model, {repeated("a long question ", 100)}));
  double progress = 0;
  int between = 0;
  while (client.generating(model)) {
    const auto speed = client.ask<p::Speed>(p::GetPrefillAndDecodeSpeed{model});
    for (const double value : {speed.prefill_progress, speed.prefill_speed, speed.decode_speed}) {
      EXPECT_TRUE(std::isfinite(value));
      EXPECT_GE(value, 0);
    }
    EXPECT_GE(speed.prefill_progress, progress);
    EXPECT_LE(speed.prefill_progress, 1);
    progress = speed.prefill_progress;
    if (progress > 0 && progress < 1) ++between;
  }
  EXPECT_GT(between, 0);
  const auto after = client.ask<p::Speed>(p::GetPrefillAndDecodeSpeed{model});
  EXPECT_EQ(after.prefill_progress, 1);
  EXPECT_GT(after.prefill_speed, 0);
  EXPECT_LE(after.prefill_speed, 10000);  // the script takes 100 microseconds a token
  EXPECT_GT(after.decode_speed, 0);
  EXPECT_LE(after.decode_speed, 1000);
}

TEST(Contract, S66_TheLogEndsWithTheNewestLine) {
  Client client;
  log::info("first of two");
  log::info("second of two \u6f22");
  const std::string text = client.ask<p::RuntimeLog>(p::DumpLog{}).runtime_log;
  const auto first = text.rfind("[INFO] first of two");
  const auto second = text.rfind("[INFO] second of two \u6f22");
  ASSERT_NE(first, std::string::npos);
  ASSERT_NE(second, std::string::npos);
  EXPECT_LT(first, second);
}

TEST(Doctor, ListsWhatEveryBackendRunsOnAndItsSettings) {
  Client client;
  const auto report = client.ask<p::DoctorReport>(p::Doctor{});
  ASSERT_FALSE(report.backends.empty());
  for (const p::BackendStatus& backend : report.backends) {
    EXPECT_EQ(backend.devices.empty(), backend.unavailable.has_value()) << backend.name;
    for (const p::BackendDevice& device : backend.devices) {
      EXPECT_FALSE(device.id.empty() || device.name.empty()) << backend.name;
      EXPECT_LE(device.free_bytes, device.total_bytes) << device.id;
      EXPECT_EQ(device.kind == p::DeviceKind::kCpu, device.id == "cpu") << device.id;
      if (device.id != "cpu") continue;
      EXPECT_EQ(device.total_bytes, report.memory_bytes);
    }
  }
  const auto llama = std::find_if(report.backends.begin(), report.backends.end(),
                                  [](const p::BackendStatus& backend) { return backend.name == "llama.cpp"; });
  ASSERT_NE(llama, report.backends.end());
  ASSERT_EQ(llama->settings.size(), 1u);
  EXPECT_EQ(llama->settings[0].key, "weights");
}

TEST(Contract, S67_StateInfoCanBeTakenApart) {
  Client client;
  EXPECT_EQ(client.ask<p::StateInfo>(p::DumpStateInfo{42}).state_info, "");
  const auto model = client.load_reply("yes");
  client.reply(model, {"text = \"x\", remaining lifespan = 7, \n text =, remaining lifespan = "});
  const std::string info = client.ask<p::StateInfo>(p::DumpStateInfo{model}).state_info;
  std::size_t nodes = 0;
  // As the app does: split at "text =", each part at ", remaining lifespan = ".
  for (std::size_t at = info.find("text ="); at != std::string::npos; ++nodes) {
    const std::size_t next = info.find("text =", at + 1);
    const std::string part = info.substr(at, next == std::string::npos ? next : next - at);
    const std::size_t lifespan = part.find(", remaining lifespan = ");
    ASSERT_NE(lifespan, std::string::npos) << part;
    EXPECT_EQ(part.find(", remaining lifespan = ", lifespan + 1), std::string::npos) << part;
    EXPECT_GT(std::stoi(part.substr(lifespan + 23)), 0);
    at = next;
  }
  EXPECT_EQ(nodes, client.ask<p::StateCacheInfo>(p::GetStateCacheInfo{model}).nodes.size());
  EXPECT_GT(nodes, 0u);
}

}  // namespace
}  // namespace rwkv::bridge::test
