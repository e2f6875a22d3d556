// Random sequences of requests: whatever is asked in whatever order, each request is done once and each generation ends
// once. RWKV_RANDOM_SEQUENCES is the number of sequences.
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <memory>
#include <random>

#include "bridge/test_client.h"

namespace rwkv::bridge::test {
namespace {

// Ends the process with the place when a step hangs: what waits for ever cannot be tested otherwise.
class Watchdog {
 public:
  Watchdog() : thread_([this] { run(); }) {}
  ~Watchdog() {
    stopped_ = true;
    thread_.join();
  }
  void step(int sequence) {
    sequence_ = sequence;
    ++steps_;
  }

 private:
  void run() {
    for (std::int64_t seen = -1, same = 0; !stopped_; std::this_thread::sleep_for(milliseconds(100))) {
      same = seen == steps_ ? same + 1 : 0;
      seen = steps_;
      if (same < 600) continue;
      std::fprintf(stderr, "sequence %d hangs\n", sequence_.load());
      std::abort();
    }
  }

  std::atomic<bool> stopped_{false};
  std::atomic<int> sequence_{0};
  std::atomic<std::int64_t> steps_{0};
  std::thread thread_;
};

p::Request random_request(std::mt19937& random, const std::vector<std::string>& scripts) {
  const auto model = static_cast<std::int32_t>(random() % 4);  // one more than there usually are
  const auto limit = random() % 3 ? std::optional<int>(static_cast<int>(random() % 30)) : std::nullopt;
  const std::string word = repeated("w ", static_cast<int>(random() % 20));
  switch (random() % 26) {
    case 0:
    case 1:
    case 2: return chat(model, {word}, limit);
    case 3: return chat(model, {word, "a beginning"}, limit);
    case 4: {
      auto request = chat(model, {word}, limit);
      request.push = true;
      return request;
    }
    case 5: return batch_chat(model, std::vector<std::vector<std::string>>(1 + random() % 20, {word}));
    case 6: return completion(model, word, static_cast<int>(random() % 40));
    case 7: return p::SudokuOthelloGenerate{word, model - 1, random() % 2 == 0};
    case 8:
    case 9:
    case 10: return p::Stop{model};
    case 11: return p::ReleaseRWKVModel{model};
    case 12:
    case 13: return p::LoadRWKVModel{scripts[random() % scripts.size()], {"scripted"}, "", std::nullopt};
    case 14: return p::GetIsGenerating{model};
    case 15: return p::GetResponseBufferContent{model};
    case 16: return p::GetBatchResponseBufferContent{model};
    case 17: return p::SubscribeGeneration{model, static_cast<std::int32_t>(random() % 3) - 1, 0, std::nullopt};
    case 18: return p::SetPrompt{word, model};
    case 19: return p::ClearStates{model};
    case 20: return p::RunEvaluation{"a", "b", model};
    case 21: return p::ReleaseMemory{static_cast<p::MemoryPressure>(random() % 3)};
    case 22: return p::SetModelWeight{1.0 + static_cast<double>(random() % 3), model};
    case 23: return p::SetStateCache{model, static_cast<std::int64_t>(random() % 100'000), std::nullopt, std::nullopt};
    case 24: return p::GetMemoryInfo{};
    default: return p::SetMaxLength{static_cast<std::int32_t>(random() % 50), model};
  }
}

// Each request was done once, after its last answer; of each generation that was told about, each slot ended at most
// once, with nothing after it, and all of those that this port was told to the end.
void check(const Client& client, const std::vector<std::int64_t>& ids, bool pushed, int sequence) {
  std::map<std::int64_t, int> done;
  std::map<std::int64_t, int> starts;
  std::map<std::int64_t, int> stops;
  std::map<std::int64_t, int> ended;
  std::map<std::pair<std::int64_t, std::int32_t>, int> ends;
  for (const Message& message : client.messages()) {
    if (message.request_id) {
      const auto id = *message.request_id;
      ASSERT_EQ(done[id], 0) << "an answer after RequestDone in sequence " << sequence;
      if (message.as<p::RequestDone>()) ++done[id];
      if (message.as<p::GenerateStart>()) ++starts[id];
      if (message.as<p::GenerateStop>()) ++stops[id];
      if (message.as<p::GenerationEnd>()) ++ended[id];
    }
    if (const auto* end = message.as<p::GenerationEnd>()) {
      ASSERT_EQ((ends[{end->generation_id, end->slot}]++), 0) << "sequence " << sequence;
    }
    if (const auto* delta = message.as<p::GenerationDelta>()) {
      ASSERT_EQ((ends.count({delta->generation_id, delta->slot})), 0u) << "sequence " << sequence;
    }
  }
  for (const auto id : ids) {
    ASSERT_EQ(done[id], 1) << "request " << id << " of sequence " << sequence;
    ASSERT_LE(starts[id], 1);
    ASSERT_LE(stops[id], 1);
    if (pushed && starts[id] == 1) {
      ASSERT_GE(ended[id], 1) << "request " << id << " of sequence " << sequence;
    }
  }
}

TEST(Random, EveryRequestIsDoneOnceAndEveryGenerationEndsOnce) {
  const char* wanted = std::getenv("RWKV_RANDOM_SEQUENCES");
  const int sequences = wanted ? std::atoi(wanted) : 1500;
  Client writer;
  const std::vector<std::string> scripts{
      writer.script(R"("replies": [{"say": "a short reply"}])"),
      writer.script(R"("decode_us": 50, "prefill_us": 5, "replies": [{"say": ")" + repeated("long ", 100) + "\"}]"),
      writer.script(R"("fail_after": 30, "replies": [{"say": "a reply that is too long for this"}])"),
      writer.script(R"("load_ms": 2, "load_error": "no")"), writer.script(R"("load_ms": 3)")};
  Watchdog watchdog;
  p::PortOptions first_options;
  first_options.acknowledge = true;
  first_options.push = true;
  p::PortOptions second_options;
  second_options.acknowledge = true;
  second_options.notify_generation_end = true;
  const auto begin = Clock::now();
  std::int64_t requests = 0;
  std::unique_ptr<Client> first;
  std::unique_ptr<Client> second;
  for (int sequence = 0; sequence < sequences; ++sequence) {
    std::mt19937 random(static_cast<unsigned>(sequence));
    watchdog.step(sequence);
    if (sequence % 10 == 0) {
      // Now and then everything is closed, with whatever is going on.
      if (first && random() % 2) first.swap(second);
      first.reset();
      second.reset();
      first = std::make_unique<Client>(first_options);
      second = std::make_unique<Client>(second_options, first->name());
      for (int i = 0; i < 3; ++i) first->start_load(scripts[static_cast<std::size_t>(i)], "scripted");
    }
    std::vector<std::int64_t> ids[2];
    std::vector<std::int64_t> loads[2];
    const int length = 1 + static_cast<int>(random() % 12);
    for (int i = 0; i < length; ++i, ++requests) {
      const std::size_t who = random() % 2;
      const p::Request request = random_request(random, scripts);
      ids[who].push_back((who ? *second : *first).send(request));
      if (std::holds_alternative<p::LoadRWKVModel>(request)) loads[who].push_back(ids[who].back());
      if (random() % 6 == 0) std::this_thread::sleep_for(std::chrono::microseconds(random() % 500));
    }
    if (sequence % 10 == 9 && random() % 2) continue;  // closed in the middle
    for (const auto id : loads[0]) first->answer<p::RequestDone>(id);
    for (const auto id : loads[1]) second->answer<p::RequestDone>(id);
    constexpr std::int32_t most = 12;  // ids
    for (std::int32_t model = 0; model < most; ++model) ids[0].push_back(first->send(p::Stop{model}));
    // Ends that wait for a poll beside them get one; the first may be told that there is text it has not read.
    for (std::int32_t model = 0; model < 2 * most; ++model)
      ids[0].push_back(first->send(p::GetIsGenerating{model / 2}));
    for (const auto id : ids[0]) first->answer<p::RequestDone>(id);
    for (const auto id : ids[1]) second->answer<p::RequestDone>(id);
    check(*first, ids[0], true, sequence);
    check(*second, ids[1], false, sequence);
    if (testing::Test::HasFailure()) break;
  }
  first.reset();
  second.reset();
  writer.close();
  EXPECT_EQ(live_objects(), 0);
  const double seconds = std::chrono::duration<double>(Clock::now() - begin).count();
  std::printf("%d sequences, %lld requests in %.1f s\n", sequences, static_cast<long long>(requests), seconds);
}

}  // namespace
}  // namespace rwkv::bridge::test
