// A request means the model, the run and the text that its client had in mind, whatever has come in their place.
#include <atomic>
#include <memory>

#include "bridge/test_client.h"
#include "protocol/codec.h"

namespace rwkv::bridge::test {
namespace {

// A request for a model that comes from the load `load`.
std::int64_t send_for(Client& client, std::int64_t load, const p::Request& request, std::int64_t id) {
  protocol::RequestMessage message{id, request, load};
  client.send_text(protocol::to_text(protocol::encode(message)));
  return id;
}

std::int64_t load_of(Client& client, std::int32_t model) {
  for (const auto& info : client.ask<p::LoadedModels>(p::GetModels{}).models) {
    if (info.model_id == model) return info.load_id.value_or(0);
  }
  return 0;
}

TEST(Handles, ARequestThatNamesItsLoadIsNeverServedByTheNextModelOfThatId) {
  Client client;
  const auto model = client.load_reply("first");
  const auto first = load_of(client, model);
  client.release(model);
  ASSERT_EQ(client.load_reply("second"), model);
  const auto second = load_of(client, model);
  EXPECT_NE(first, second);
  std::int64_t id = 1000;
  const auto refused = [&](const p::Request& request) {
    const auto sent = send_for(client, first, request, ++id);
    const auto answer = client.wait([&](const Message& m) { return m.request_id == sent; });
    const auto* error = answer ? answer->as<p::Error>() : nullptr;
    EXPECT_TRUE(error && error->code == "not_found") << protocol::type_of(request);
  };
  refused(chat(model, {"Hi"}));
  refused(p::Stop{model});
  refused(p::ClearStates{model});
  refused(p::GetIsGenerating{model});
  refused(p::SubscribeGeneration{model, 0, 0, std::nullopt});
  refused(p::UnloadInitialStates{"x", model});
  const auto release = send_for(client, first, p::ReleaseRWKVModel{model}, ++id);
  const auto failed = client.wait([&](const Message& m) {
    const auto* step = m.as<p::LoadModelSteps>();
    return m.request_id == release && step && step->status == p::LoadingStatus::kFailedInReleasing;
  });
  EXPECT_TRUE(failed);
  EXPECT_EQ(client.reply(model, {"Hi"}), "second");
  send_for(client, second, p::ReleaseRWKVModel{model}, ++id);
  EXPECT_TRUE(eventually([&] { return client.ask<p::LoadedModels>(p::GetModels{}).models.empty(); }));
}

// Is there until `gone` is set.
class LeavingPort final : public Port {
 public:
  LeavingPort(const std::atomic<bool>& gone, std::atomic<bool>& heard) : gone_(gone), heard_(heard) {}
  bool post(std::string) override {
    heard_ = true;
    return !gone_;
  }

 private:
  const std::atomic<bool>& gone_;
  std::atomic<bool>& heard_;
};

TEST(Handles, AModelThatNobodyWasToldOfIsReleasedUnlessItsPortKeepsLoads) {
  Client keeper;
  const std::string path = keeper.script(R"("load_ms": 200)");
  for (const bool keep : {false, true}) {
    for (const bool close : {false, true}) {
      std::atomic<bool> gone{false};
      std::atomic<bool> begun{false};
      p::PortOptions options;
      options.keep_loads = keep;
      const PortId port = open_port(keeper.name(), std::make_unique<LeavingPort>(gone, begun), options);
      send(port, encoded(p::LoadRWKVModel{path, {"scripted"}, ""}, 1));
      ASSERT_TRUE(eventually([&] { return begun.load(); }));
      gone = true;
      if (close) close_port(port, false);
      std::atomic<bool> idle{false};
      ASSERT_TRUE(when_idle(keeper.port(), [&] { idle = true; }));
      ASSERT_TRUE(eventually([&] { return idle.load(); }));
      const auto models = keeper.ask<p::LoadedModels>(p::GetModels{}).models;
      EXPECT_EQ(models.size(), keep ? 1u : 0u) << close;
      for (const auto& model : models) keeper.release(model.model_id);
    }
  }
}

TEST(Handles, AStopThatNamesARequestStopsNothingElse) {
  Client client;
  const auto model = client.load_reply(repeated("long ", 2000), 1000);
  const auto first = client.send(chat(model, {"a"}));
  const auto refused = client.send(chat(model, {"b"}));
  client.send(p::Stop{model, refused});
  client.settle();
  EXPECT_TRUE(client.generating(model));
  // What is cancelled before it was heard of makes way for what follows it.
  client.send(p::Stop{model, first});
  const auto next = client.send(chat(model, {"c"}, 3));
  client.answer<p::GenerateStart>(next);
  EXPECT_TRUE(client.all<p::Error>(next).empty());
  client.wait_idle(model);
}

TEST(Handles, APortForNewTextGetsNothingThatTheRequestGave) {
  p::PortOptions options;
  options.push = true;
  options.only_new = true;
  Client client(options);
  const auto model = client.load_reply("Well and more");
  const auto heard = [&](const p::Request& request) {
    const auto from = client.all<p::GenerationDelta>().size();
    client.send(request);
    EXPECT_TRUE(client.wait([](const Message& m) { return m.as<p::GenerationEnd>() != nullptr; }, client.count()));
    client.wait_idle(model);
    std::string text;
    const auto deltas = client.all<p::GenerationDelta>();
    for (std::size_t i = from; i < deltas.size(); ++i) text += deltas[i].text;
    EXPECT_EQ(client.ask<p::GenerationSnapshot>(p::SubscribeGeneration{model, 0, 0, std::nullopt}).text, text);
    return text;
  };
  EXPECT_EQ(heard(completion(model, "A: Well", 9)), " and more");
  EXPECT_EQ(client.text(model), "A: Well and more");
  EXPECT_EQ(heard(chat(model, {"Hi", "Well"})), " and more");
  EXPECT_EQ(client.text(model), "Well and more");
}

TEST(Handles, AnUpdateOfTheSamplingLeavesTheRest) {
  Client client;
  const auto model = client.load_reply("x");
  client.send(sampler(model, 2, 30, 0.25));
  p::UpdateSampling update;
  update.model_id = model;
  update.top_k = 7;
  client.send(update);
  p::UpdateSampling other;
  other.model_id = model;
  other.presence_penalty = 0.5;
  other.seed = 11;
  client.send(other);
  const auto now = client.ask<p::SamplerParams>(p::GetSamplerParams{model});
  EXPECT_EQ(now.temperature, 2);
  EXPECT_EQ(now.top_k, 7);
  EXPECT_EQ(now.top_p, 0.25);
  EXPECT_EQ(now.presence_penalty, 0.5);
  EXPECT_EQ(client.ask<p::CurrentSeed>(p::GetSeed{model}).seed, 11);
}

TEST(Handles, AFolderNameEndsAtNoNul) {
  Client client;
  const auto model = client.load_reply("x");
  p::SetStateCache request;
  request.model_id = model;
  request.folder = (client.folder() / "cut").string() + std::string(1, '\0') + "off";
  EXPECT_EQ(client.answer<p::Error>(client.send(request)).code, "invalid_argument");
  EXPECT_FALSE(std::filesystem::exists(client.folder() / "cut"));
}

}  // namespace
}  // namespace rwkv::bridge::test
