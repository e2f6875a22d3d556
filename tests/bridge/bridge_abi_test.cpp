// The C functions of rwkv_bridge.h, as a binding uses them.
#include "rwkv_bridge.h"

#include <cstring>

#include "bridge/test_client.h"

namespace rwkv::bridge::test {
namespace {

struct Inbox {
  std::mutex mutex;
  std::vector<std::string> messages;

  static void receive(const char* json, std::size_t length, void* user_data) {
    auto& inbox = *static_cast<Inbox*>(user_data);
    const std::lock_guard lock(inbox.mutex);
    inbox.messages.emplace_back(json, length);
  }
  bool has(const std::string& part) {
    const std::lock_guard lock(mutex);
    for (const std::string& message : messages) {
      if (message.find(part) != std::string::npos) return true;
    }
    return false;
  }
};

int32_t send(rwkv_bridge_port port, const std::string& json) {
  return rwkv_bridge_send(port, json.data(), json.size());
}

TEST(BridgeAbi, NamesItsVersions) {
  EXPECT_EQ(rwkv_bridge_abi_version(), RWKV_BRIDGE_ABI_VERSION);
  std::string version = rwkv::test::read_file(std::filesystem::path(RWKV_SOURCE_DIR) / "VERSION");
  version.erase(version.find_last_not_of(" \n") + 1);
  EXPECT_EQ(rwkv_bridge_version(), version);
}

TEST(BridgeAbi, OpensTalksAndCloses) {
  Inbox inbox;
  const auto port = rwkv_bridge_open(nullptr, nullptr, Inbox::receive, &inbox);
  ASSERT_GT(port, 0);
  EXPECT_GT(rwkv_bridge_live_objects(), 0);
  EXPECT_EQ(send(port, R"({"type": "GetModels", "requestId": 5})"), 0);
  EXPECT_TRUE(eventually([&] { return inbox.has("\"LoadedModels\""); }));
  EXPECT_TRUE(inbox.has("\"requestId\":5"));
  EXPECT_EQ(rwkv_bridge_close(port, 1), 0);
  EXPECT_EQ(rwkv_bridge_live_objects(), 0);
  EXPECT_EQ(send(port, "{}"), RWKV_BRIDGE_CLOSED);
  EXPECT_EQ(rwkv_bridge_close(port, 1), RWKV_BRIDGE_CLOSED);
}

TEST(BridgeAbi, PortsOfOneNameShareARuntimeAndOptionsAreHeard) {
  Inbox first;
  Inbox second;
  const auto a = rwkv_bridge_open("shared", R"({"acknowledge": true})", Inbox::receive, &first);
  const auto b = rwkv_bridge_open("shared", "{}", Inbox::receive, &second);
  ASSERT_GT(a, 0);
  ASSERT_GT(b, 0);
  EXPECT_NE(a, b);
  const rwkv::test::ScratchFolder folder;
  const std::string path = (folder.path() / "script.json").string();
  rwkv::test::write_file(path, R"({"rwkv_script": 1, "replies": [{"say": "hello"}]})");
  EXPECT_EQ(send(a, encoded(p::LoadRWKVModel{path, {"scripted"}, "", std::nullopt}, 1)), 0);
  EXPECT_TRUE(eventually([&] { return first.has("\"RequestDone\""); }));
  EXPECT_EQ(send(b, encoded(chat(0, {"Hi"}), 2)), 0);
  EXPECT_TRUE(eventually([&] {
    send(b, encoded(p::GetResponseBufferContent{0}, 3));
    return second.has("\"hello\"");
  }));
  EXPECT_FALSE(second.has("RequestDone"));
  EXPECT_EQ(rwkv_bridge_close(a, 1), 0);
  EXPECT_EQ(send(b, "{}"), 0);
  EXPECT_EQ(rwkv_bridge_close(b, 1), 0);
  EXPECT_EQ(rwkv_bridge_live_objects(), 0);
}

TEST(BridgeAbi, RefusesWhatIsNoArgument) {
  Inbox inbox;
  EXPECT_EQ(rwkv_bridge_open("x", nullptr, nullptr, nullptr), RWKV_BRIDGE_BAD_ARGUMENT);
  EXPECT_EQ(rwkv_bridge_open("x", "no JSON", Inbox::receive, &inbox), RWKV_BRIDGE_BAD_ARGUMENT);
  EXPECT_EQ(rwkv_bridge_open("x", R"({"push": 5})", Inbox::receive, &inbox), RWKV_BRIDGE_BAD_ARGUMENT);
  EXPECT_EQ(rwkv_bridge_open_dart("x", nullptr, 1, nullptr), RWKV_BRIDGE_BAD_ARGUMENT);
  EXPECT_EQ(rwkv_bridge_open_dart("x", nullptr, 0, &inbox), RWKV_BRIDGE_BAD_ARGUMENT);
  EXPECT_EQ(rwkv_bridge_live_objects(), 0);
  EXPECT_EQ(rwkv_bridge_send(12345678, "{}", 2), RWKV_BRIDGE_CLOSED);
  EXPECT_EQ(rwkv_bridge_close(12345678, 1), RWKV_BRIDGE_CLOSED);
  EXPECT_EQ(rwkv_bridge_close(-1, 1), RWKV_BRIDGE_CLOSED);
  const auto port = rwkv_bridge_open("x", nullptr, Inbox::receive, &inbox);
  EXPECT_EQ(rwkv_bridge_send(port, nullptr, 0), RWKV_BRIDGE_BAD_ARGUMENT);
  // Seen by its length alone: these bytes are not there.
  EXPECT_EQ(rwkv_bridge_send(port, "{}", (std::size_t{64} << 20) + 1), RWKV_BRIDGE_BAD_ARGUMENT);
  EXPECT_EQ(rwkv_bridge_close(port, 1), 0);
}

struct Gate {
  std::mutex mutex;
  std::condition_variable changed;
  bool inside = false;
  bool open = false;

  static void wait(const char*, std::size_t, void* self) {
    auto& gate = *static_cast<Gate*>(self);
    std::unique_lock lock(gate.mutex);
    gate.inside = true;
    gate.changed.notify_all();
    gate.changed.wait(lock, [&] { return gate.open; });
  }
};

TEST(BridgeAbi, RefusesMoreOfAPortThanMayWaitAndTakesItLater) {
  Gate gate;
  const auto port = rwkv_bridge_open("full", nullptr, Gate::wait, &gate);
  EXPECT_EQ(send(port, R"({"type": "GetModels"})"), 0);
  {
    std::unique_lock lock(gate.mutex);
    gate.changed.wait(lock, [&] { return gate.inside; });
  }
  const std::string large = R"({"type": "GetModels", "pad": ")" + std::string(5 << 20, 'x') + "\"}";
  int taken = 0;
  while (send(port, large) == 0 && taken < 20) ++taken;
  EXPECT_EQ(taken, 12) << "of 5 MiB and a bit each within 64 MiB";
  EXPECT_EQ(send(port, large), RWKV_BRIDGE_BUSY);
  Inbox inbox;
  const auto other = rwkv_bridge_open("full", nullptr, Inbox::receive, &inbox);
  EXPECT_EQ(send(other, large), 0) << "each port has its own";
  {
    const std::lock_guard lock(gate.mutex);
    gate.open = true;
    gate.changed.notify_all();
  }
  EXPECT_TRUE(eventually([&] { return send(port, large) == 0; }));
  EXPECT_TRUE(eventually([&] { return inbox.has("LoadedModels"); }));
  rwkv_bridge_close(port, 1);
  rwkv_bridge_close(other, 1);
}

TEST(BridgeAbi, CopiesWhatIsPassedIn) {
  Inbox inbox;
  std::string name = "copied";
  std::string options = R"({"acknowledge": true})";
  const auto port = rwkv_bridge_open(name.c_str(), options.c_str(), Inbox::receive, &inbox);
  std::string json = encoded(p::CalculateTokensCountRaw{"x", 0}, 9);
  name.assign(name.size(), '#');
  options.assign(options.size(), '#');
  EXPECT_EQ(rwkv_bridge_send(port, json.data(), json.size()), 0);
  json.assign(json.size(), '#');
  EXPECT_TRUE(eventually([&] { return inbox.has("\"RequestDone\""); }));
  EXPECT_TRUE(inbox.has("not_found"));
  rwkv_bridge_close(port, 1);
}

TEST(BridgeAbi, NoCallbackBeginsAfterCloseHasReturned) {
  for (int round = 0; round < 200; ++round) {
    auto inbox = std::make_unique<Inbox>();
    const auto port = rwkv_bridge_open("closing", nullptr, Inbox::receive, inbox.get());
    for (int i = 0; i < 20; ++i) send(port, encoded(p::GetModels{}, i));
    rwkv_bridge_close(port, round % 2);
    inbox.reset();  // a later callback would write into freed memory
  }
  EXPECT_TRUE(eventually([] { return rwkv_bridge_live_objects() == 0; }));
}

TEST(BridgeAbi, GivesMemoryToBindings) {
  void* memory = rwkv_bridge_alloc(1000);
  ASSERT_NE(memory, nullptr);
  std::memset(memory, 1, 1000);
  rwkv_bridge_free(memory);
  rwkv_bridge_free(rwkv_bridge_alloc(0));
  rwkv_bridge_free(nullptr);
}

}  // namespace
}  // namespace rwkv::bridge::test
