// Ports come, die, are closed and come again; the runtime outlives them.
#include <atomic>
#include <cstring>
#include <memory>

#include "bridge/callback_port.h"
#include "bridge/dart_port.h"
#include "bridge/test_client.h"

namespace rwkv::bridge::test {
namespace {

// Is gone after `messages` messages, as the port of an isolate that a hot restart ended.
class MortalPort final : public Port {
 public:
  MortalPort(int messages, std::atomic<bool>& gone) : left_(messages), gone_(gone) {}
  ~MortalPort() override { gone_ = true; }
  bool post(std::string) override { return left_-- > 0; }

 private:
  int left_;
  std::atomic<bool>& gone_;
};

TEST(Ports, AGenerationOutlivesItsDeadPortAndANewOneGetsTheRest) {
  const std::string reply = "a reply that goes on after the restart";
  Client keeper;
  const auto model = keeper.load_reply(reply, 20);
  p::PortOptions pushed;
  pushed.push = true;
  for (int round = 0; round < 1000; ++round) {
    std::atomic<bool> gone{false};
    const PortId port = open_port(keeper.name(), std::make_unique<MortalPort>(1 + round % 3, gone), pushed);
    send(port, encoded(chat(model, {"Hi"}), 1));
    ASSERT_TRUE(eventually([&] { return gone.load(); })) << round;
    ASSERT_TRUE(eventually([&] { return !send(port, encoded(p::GetModels{}, 2)); }));
    EXPECT_FALSE(close_port(port, true));

    Client next({}, keeper.name());
    const auto models = next.ask<p::LoadedModels>(p::GetModels{}).models;
    ASSERT_EQ(models.size(), 1u);
    ASSERT_TRUE(models[0].generation_id);
    const auto snapshot = next.ask<p::GenerationSnapshot>(p::SubscribeGeneration{model, 0, 0, models[0].generation_id});
    std::string text = snapshot.text;
    if (!snapshot.reason) {
      next.wait([](const Message& m) { return m.as<p::GenerationEnd>() != nullptr; });
      for (const auto& delta : next.all<p::GenerationDelta>()) text += delta.text;
    }
    ASSERT_EQ(text, reply) << round;
  }
}

TEST(Ports, StopOnDeathStopsWhatADeadOrClosedPortStarted) {
  Client keeper;
  const auto model = keeper.load_reply(repeated("long ", 2000), 1000);
  p::PortOptions options;
  options.push = true;
  options.stop_on_death = true;
  std::atomic<bool> gone{false};
  const PortId dead = open_port(keeper.name(), std::make_unique<MortalPort>(2, gone), options);
  send(dead, encoded(chat(model, {"Hi"}), 1));
  ASSERT_TRUE(eventually([&] { return gone.load(); }));
  keeper.wait_idle(model);

  auto closing = std::make_unique<Client>(options, keeper.name());
  closing->answer<p::GenerateStart>(closing->send(chat(model, {"Hi"})));
  closing.reset();
  keeper.wait_idle(model);

  options.stop_on_death = false;
  auto leaving = std::make_unique<Client>(options, keeper.name());
  leaving->answer<p::GenerateStart>(leaving->send(chat(model, {"Hi"})));
  leaving.reset();
  EXPECT_TRUE(keeper.generating(model));
}

TEST(Ports, NothingIsLeftAfterTheLastOneWasClosed) {
  for (int round = 0; round < 20; ++round) {
    auto client = std::make_unique<Client>();
    const auto model = client->load_reply(repeated("long ", 2000), 1000);
    client->send(chat(model, {"Hi"}));
    EXPECT_GT(live_objects(), 0);
    client.reset();  // while it generates
    ASSERT_EQ(live_objects(), 0);
  }
}

// What waited for the end of a run when the runtime went must neither run nor keep anything alive.
TEST(Ports, ClosingWhileRequestsWaitForAStopLeavesNothing) {
  for (int round = 0; round < 100; ++round) {
    auto client = std::make_unique<Client>();
    const auto model = client->load_reply(repeated("long ", 2000), 2000);
    client->answer<p::GenerateStart>(client->send(chat(model, {"Hi"})));
    if (round % 3) client->send(p::Stop{model});
    if (round % 2) client->send(p::ReleaseRWKVModel{model});
    client->send(completion(model, "x", 1'000'000));
    client->send(p::SudokuOthelloGenerate{"x", model, true});
    client->start_load(client->script(R"("load_ms": 10000)"), "scripted");
    client->send(chat(1, {"for the model that is being loaded"}));
    const auto before = Clock::now();
    client.reset();
    EXPECT_LT(Clock::now() - before, milliseconds(5000));
    ASSERT_EQ(live_objects(), 0) << round;
  }
}

TEST(Ports, ALoadThatIsGoingOnEndsWithTheRuntime) {
  auto client = std::make_unique<Client>();
  const auto load = client->start_load(client->script(R"("load_ms": 10000)"), "scripted");
  client->wait([&](const Message& m) { return m.request_id == load; });
  const auto before = Clock::now();
  client.reset();
  EXPECT_LT(Clock::now() - before, milliseconds(2000));
  EXPECT_EQ(live_objects(), 0);
}

struct SelfClosing {
  std::atomic<PortId> port{0};
  std::atomic<int> messages{0};
};

void close_from_within(const char*, std::size_t, void* user_data) {
  auto& self = *static_cast<SelfClosing*>(user_data);
  while (self.port == 0) std::this_thread::yield();
  ++self.messages;
  close_port(self.port, false);
}

TEST(Ports, ACallbackMayCloseItsOwnPort) {
  for (int round = 0; round < 200; ++round) {
    SelfClosing self;
    self.port = open_port("self closing", std::make_unique<CallbackPort>(close_from_within, &self), {});
    for (int i = 0; i < 3; ++i) send(self.port, encoded(p::GetModels{}, i));
    ASSERT_TRUE(eventually([] { return live_objects() == 0; }));
    EXPECT_EQ(self.messages, 1);
  }
}

std::atomic<int> opened_within{0};

void open_from_within(const char*, std::size_t, void* name) {
  if (++opened_within > 1) return;
  const PortId port =
      open_port(*static_cast<std::string*>(name), std::make_unique<CallbackPort>(open_from_within, name), {});
  send(port, encoded(p::GetModels{}, 1));
}

TEST(Ports, ACallbackMayOpenPortsAndSend) {
  Client keeper;
  std::string name = keeper.name();
  opened_within = 0;
  const PortId port = open_port(name, std::make_unique<CallbackPort>(open_from_within, &name), {});
  send(port, encoded(p::GetModels{}, 1));
  EXPECT_TRUE(eventually([] { return opened_within == 2; }));
  close_port(port, true);
  close_port(port + 1, true);
}

TEST(Ports, ManyThreadsOpenUseAndClosePortsOfTheSameNames) {
  std::vector<std::thread> threads;
  for (int t = 0; t < 8; ++t) {
    threads.emplace_back([t] {
      for (int i = 0; i < 60; ++i) {
        const std::string name = "shared " + std::to_string((t + i) % 3);
        const auto count = [](const char*, std::size_t, void* to) { ++*static_cast<std::atomic<int>*>(to); };
        std::atomic<int> heard{0};
        const PortId port = open_port(name, std::make_unique<CallbackPort>(count, &heard), {});
        for (int k = 0; k < 5; ++k) EXPECT_TRUE(send(port, encoded(p::GetModels{}, k)));
        // A close drops what has not been begun, so who wants answers waits for them. Others leave in the middle.
        if (i % 3 != 0) {
          EXPECT_TRUE(eventually([&] { return heard == 5; }));
        }
        EXPECT_TRUE(close_port(port, i % 2 == 0));
        EXPECT_LE(heard, 5);
        EXPECT_FALSE(send(port, encoded(p::GetModels{}, 9)));
        EXPECT_FALSE(close_port(port, true));
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_TRUE(eventually([] { return live_objects() == 0; }));
}

// Takes its time for each message.
struct SlowListener {
  std::atomic<int> heard{0};
  static void hear(const char*, std::size_t, void* self) {
    std::this_thread::sleep_for(milliseconds(5));
    ++static_cast<SlowListener*>(self)->heard;
  }
};

constexpr int kFlood = 2000;  // ten seconds of a slow listener

TEST(Ports, AFloodOfOneHoldsNoOtherUpAndEndsWithItsPort) {
  Client other;
  SlowListener slow;
  const PortId port = open_port(other.name(), std::make_unique<CallbackPort>(SlowListener::hear, &slow), {});
  for (int i = 0; i < kFlood; ++i) ASSERT_TRUE(send(port, encoded(p::GetModels{}, i)));
  for (int i = 0; i < 3; ++i) other.ask<p::LoadedModels>(p::GetModels{});
  EXPECT_LT(slow.heard, kFlood);
  close_port(port, false);
  const int heard = slow.heard;
  EXPECT_LT(heard, kFlood) << "dropped, not served";
  other.ask<p::LoadedModels>(p::GetModels{});
  EXPECT_EQ(slow.heard, heard);
}

TEST(Ports, TheLastPortsFloodEndsWithTheRuntime) {
  SlowListener slow;
  const PortId port = open_port("flood", std::make_unique<CallbackPort>(SlowListener::hear, &slow), {});
  for (int i = 0; i < kFlood; ++i) ASSERT_TRUE(send(port, encoded(p::GetModels{}, i)));
  close_port(port, true);
  EXPECT_LT(slow.heard, kFlood);
  EXPECT_EQ(live_objects(), 0);
}

TEST(Ports, RuntimesOfDifferentNamesKnowNothingOfEachOther) {
  Client a;
  Client b;
  EXPECT_EQ(a.load_reply("from a"), 0);
  EXPECT_EQ(b.load_reply("from b"), 0);
  a.send(chat(0, {"Hi"}));
  EXPECT_EQ(b.reply(0, {"Hi"}), "from b");
  a.wait_idle(0);
  EXPECT_EQ(a.text(0), "from a");
}

// The VM's message struct as its public header lays it out.
struct FakeCObject {
  std::int32_t type;
  struct {
    std::int32_t type;
    std::intptr_t length;
    const std::uint8_t* values;
  } data;
};

std::mutex received_mutex;
std::vector<std::string> received;
std::atomic<bool> accepting{true};

bool fake_post(std::int64_t port, FakeCObject* message) {
  EXPECT_EQ(port, 4711);
  if (!accepting) return false;
  EXPECT_EQ(message->type, 7);       // Dart_CObject_kTypedData: the VM copies
  EXPECT_EQ(message->data.type, 2);  // Dart_TypedData_kUint8
  const std::lock_guard lock(received_mutex);
  received.emplace_back(reinterpret_cast<const char*>(message->data.values),
                        static_cast<std::size_t>(message->data.length));
  return true;
}

std::size_t received_count() {
  const std::lock_guard lock(received_mutex);
  return received.size();
}

TEST(Ports, ADartPortHandsMessagesOverAsTypedDataThatTheVmCopies) {
  received.clear();
  accepting = true;
  const PortId port = open_port("dart", std::make_unique<DartPort>(4711, reinterpret_cast<void*>(fake_post)), {});
  for (int i = 0; i < 100; ++i) send(port, encoded(p::GetIsGenerating{i}, i));
  ASSERT_TRUE(eventually([] { return received_count() == 100; }));
  EXPECT_NE(received[7].find("\"IsGenerating\""), std::string::npos);
  EXPECT_TRUE(close_port(port, true));
  EXPECT_EQ(live_objects(), 0);
}

TEST(Ports, ADartPortWhoseIsolateIsGoneIsDropped) {
  Client keeper;
  accepting = false;
  const PortId port =
      open_port(keeper.name(), std::make_unique<DartPort>(4711, reinterpret_cast<void*>(fake_post)), {});
  send(port, encoded(p::GetModels{}, 1));
  EXPECT_TRUE(eventually([&] { return !send(port, encoded(p::GetModels{}, 2)); }));
  EXPECT_TRUE(keeper.ask<p::LoadedModels>(p::GetModels{}).models.empty());
}

TEST(Ports, AnIdleRuntimeSaysSo) {
  Client client;
  const std::string reply = repeated("some ", 40) + "words";
  const auto model = client.load_reply(reply, 2000);
  client.answer<p::GenerateStart>(client.send(chat(model, {"Hi"})));
  std::atomic<bool> idle{false};
  EXPECT_TRUE(when_idle(client.port(), [&] { idle = true; }));
  EXPECT_FALSE(idle);
  EXPECT_TRUE(eventually([&] { return idle.load(); }));
  EXPECT_EQ(client.text(model), reply);
  EXPECT_FALSE(when_idle(client.port() + 1000, [] {}));
  // After all that was asked before, wrong requests too.
  std::atomic<int> at_idle{-1};
  const auto before = static_cast<int>(client.count());
  for (int i = 0; i < 500; ++i) client.send_text("{}");
  when_idle(client.port(), [&] { at_idle = static_cast<int>(client.count()); });
  EXPECT_TRUE(eventually([&] { return at_idle >= 0; }));
  EXPECT_EQ(at_idle, before + 500);
}

}  // namespace
}  // namespace rwkv::bridge::test
