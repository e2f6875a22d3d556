// Messages that are none.
#include "bridge/test_client.h"
#include "protocol/codec.h"
#include "protocol/every_message.h"

namespace rwkv::bridge::test {
namespace {

TEST(Hostile, EveryFieldOfEveryRequestIsCheckedAndAnsweredWithOneError) {
  Client client;
  const auto model = client.load_reply("yes");
  std::vector<std::pair<std::int64_t, std::string>> sent;
  const auto send_broken = [&](p::Json json, const std::string& what) {
    const auto id = static_cast<std::int64_t>(1'000'000 + sent.size());
    json["requestId"] = id;
    client.send_text(p::to_text(json));
    sent.emplace_back(id, what);
  };
  for (const p::test::Sample& sample : p::test::every_message()) {
    if (!sample.is_request) continue;
    const auto break_field = [&](const std::string& field) {
      for (const char* wrong : {R"({"x": 1})", "[[[[]]]]"}) {
        p::Json json = sample.json;
        json[field] = p::parse_message(R"({"value": )" + std::string(wrong) + "}")["value"];
        send_broken(std::move(json), sample.type + "." + field + " = " + wrong);
      }
    };
    for (const std::string& field : sample.fields.optional_ones) break_field(field);
    for (const std::string& field : sample.fields.required_ones) {
      break_field(field);
      p::Json json = sample.json;
      json.erase(field);
      send_broken(std::move(json), sample.type + " without " + field);
    }
  }
  client.settle();
  EXPECT_GT(sent.size(), 200u);
  for (const auto& [id, what] : sent) EXPECT_EQ(client.types(id), std::vector<std::string>{"Error"}) << what;
  EXPECT_EQ(client.reply(model, {"Hi"}), "yes");
}

class HostileText : public testing::Test {
 protected:
  // Exactly one message comes, an Error.
  void refused(const std::string& text, const std::string& what) {
    const std::size_t before = client_.count();
    client_.send_text(text);
    client_.settle();
    const auto messages = client_.messages();
    ASSERT_EQ(messages.size(), before + 2) << what;
    const auto* error = messages[before].as<p::Error>();
    ASSERT_TRUE(error) << what;
    EXPECT_EQ(error->code, "invalid_argument") << what;
    EXPECT_LT(error->message.size(), 1000u) << what;
  }

  Client client_;
};

TEST_F(HostileText, TextThatIsNoRequestIsRefusedOnce) {
  for (const char* text : {"",
                           " ",
                           "{",
                           "}",
                           "[]",
                           "null",
                           "true",
                           "0",
                           "\"x\"",
                           "{}",
                           "[{}]",
                           R"({"type": "Unknown"})",
                           R"({"type": 5})",
                           R"({"type": null})",
                           R"({"type": ["GetModels"]})",
                           R"({"type": "GetModels"} {})",
                           R"({"type": "GetModels",})",
                           R"({type: "GetModels"})",
                           R"({"type": "IsGenerating", "isGenerating": true})",
                           R"({"type": "GetIsGenerating"})",
                           R"({"type": "GetIsGenerating", "modelID": null})",
                           R"({"type": "GetIsGenerating", "modelID": 1e999})",
                           R"({"type": "GetIsGenerating", "modelID": 1.5})",
                           R"({"type": "GetIsGenerating", "modelID": 99999999999999999999999})",
                           R"({"type": "GetIsGenerating", "modelID": 2147483648})",
                           R"({"type": "GetIsGenerating", "modelID": -2147483649})",
                           R"({"type": "SetSamplerParams", "temperature": 1e400})",
                           R"({"type": "SetPrompt", "modelID": 0})"}) {
    refused(text, text);
  }
}

TEST_F(HostileText, BytesThatAreNoUtf8AreRefused) {
  for (const char* bytes : {"\xff", "\xc0\x80", "\xed\xa0\x80", "\xf5\x80\x80\x80", "\xe6\xbc", "\x80"}) {
    refused(R"({"type": "SetPrompt", "modelID": 0, "prompt": ")" + std::string(bytes) + "\"}", bytes);
  }
  refused(std::string("\0", 1), "a NUL");
  refused(std::string("{\"type\": \"GetModels\"}\0", 22), "a NUL at the end");
  refused(R"({"type": "SetPrompt", "modelID": 0, "prompt": "a)" + std::string("\0", 1) + "b\"}", "a bare NUL");
}

TEST_F(HostileText, DeepNestingIsRefusedWithoutExhaustingTheStack) {
  for (const int depth : {100, 10'000, 3'000'000}) {
    refused(repeated("[", depth), "open lists");
    refused(repeated("[", depth) + repeated("]", depth), "lists");
    refused(repeated(R"({"a":)", depth) + "1" + repeated("}", depth), "objects");
    refused(R"({"type": "ChatAsync", "messages": )" + repeated("[", depth) + repeated("]", depth) + "}", "messages");
  }
}

TEST_F(HostileText, AMessageThatIsTooLongIsRefused) {
  // It fills its port's queue, so that nothing else is taken before it was looked at.
  client_.send_text(R"({"type": "SetPrompt", "modelID": 0, "prompt": ")" + std::string(70u << 20, 'x') + "\"}");
  const auto answer = client_.wait([](const Message& m) { return m.as<p::Error>() != nullptr; });
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->as<p::Error>()->code, "invalid_argument");
}

TEST_F(HostileText, OfRepeatedKeysTheLastCounts) {
  client_.send_text(R"({"type": "GetModels", "type": "GetLoadedModelIDs", "requestId": 1, "requestId": 777})");
  client_.answer<p::LoadedModelIDs>(client_.send(p::GetLoadedModelIDs{}));
  EXPECT_EQ(client_.types(777), std::vector<std::string>{"LoadedModelIDs"});
}

TEST_F(HostileText, ARequestWithoutAUsableIdIsAnsweredWithoutOne) {
  for (const char* id : {"null", "\"7\"", "1.5", "{}", "1e30"}) {
    const std::size_t before = client_.count();
    client_.send_text(R"({"type": "GetModels", "requestId": )" + std::string(id) + "}");
    client_.settle();
    const auto messages = client_.messages();
    ASSERT_EQ(messages.size(), before + 2) << id;
    EXPECT_FALSE(messages[before].request_id) << id;
  }
}

}  // namespace
}  // namespace rwkv::bridge::test
