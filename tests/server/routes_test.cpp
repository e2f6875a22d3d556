// What each route answers, as OpenAI clients and those of the existing engine expect it.
#include <gtest/gtest.h>

#include <regex>

#include "test_server.h"

namespace rwkv::test {
namespace {

// One byte is one token, a blank line is one as well, and an answer begins with a space.
class Routes : public ::testing::Test {
 protected:
  json request(const json& body, const std::string& path = "/v1/chat/completions") {
    const HttpAnswer answer = post(server_->port(), path, body);
    EXPECT_EQ(answer.status, 200) << answer.body;
    EXPECT_EQ(answer.headers.at("content-type"), "application/json; charset=utf-8");
    return answer.parsed();
  }
  json ask(const std::string& question, json more = json::object()) {
    more["messages"] = json::array({{{"role", "user"}, {"content", question}}});
    return request(more);
  }
  std::vector<std::string> stream(json body, const std::string& path = "/v1/chat/completions") {
    body["stream"] = true;
    const HttpAnswer answer = post(server_->port(), path, body);
    EXPECT_EQ(answer.status, 200) << answer.body;
    EXPECT_EQ(answer.headers.at("content-type"), "text/event-stream");
    EXPECT_EQ(answer.headers.at("cache-control"), "no-cache");
    return events_of(answer.body);
  }
  json get(const std::string& path) { return send(server_->port(), "GET", path).parsed(); }

  std::unique_ptr<LanguageModel> model_ = load_script(
      R"({"rwkv_script": 1, "replies": [{"when": "weather", "say": "Sunny, 20 °C."}, {"say": "I only know the weather."}]})",
      4);
  std::unique_ptr<server::HttpServer> server_ = serve(*model_);
};

const json kWeather = {{"messages", json::array({{{"role", "user"}, {"content", "weather"}}})}};

TEST_F(Routes, HealthIsOk) { EXPECT_EQ(get("/health"), json({{"status", "ok"}})); }

TEST_F(Routes, ModelsAreListedAndDescribed) {
  const json list = get("/v1/models");
  EXPECT_EQ(list["object"], "list");
  ASSERT_EQ(list["data"].size(), 1u);
  EXPECT_EQ(list["data"][0]["id"], "tiny");
  EXPECT_EQ(list["data"][0]["object"], "model");
  EXPECT_TRUE(list["data"][0]["created"].is_number_integer());
  EXPECT_TRUE(list["data"][0]["owned_by"].is_string());
  EXPECT_EQ(get("/v1/models/tiny"), list["data"][0]);
}

TEST_F(Routes, BatchSizesAreThoseOfTheModel) {
  EXPECT_EQ(get("/v1/batch/supported_batch_sizes"), json({{"supported_batch_sizes", {1, 2, 3, 4}}, {"model", "tiny"}}));
}

TEST_F(Routes, AChatIsAnswered) {
  const json answer = ask("weather");
  EXPECT_TRUE(std::regex_match(answer["id"].get<std::string>(), std::regex("chatcmpl-[0-9]{10}-[0-9]+")));
  EXPECT_EQ(answer["object"], "chat.completion");
  EXPECT_EQ(answer["model"], "tiny");
  EXPECT_NEAR(answer["created"].get<double>(), static_cast<double>(time(nullptr)), 60);
  EXPECT_EQ(answer["choices"], json::array({{{"index", 0},
                                             {"message", {{"role", "assistant"}, {"content", "Sunny, 20 °C."}}},
                                             {"finish_reason", "stop"}}}));
}

TEST_F(Routes, UsageCountsTokens) {
  const json usage = ask("weather")["usage"];
  const int prompt = 13 + 1 + 10;  // "User: weather", the blank line, "Assistant:"
  const int written = 1 + 14;      // the space, and the bytes of the answer
  EXPECT_EQ(usage["prompt_tokens"], prompt);
  EXPECT_EQ(usage["completion_tokens"], written);
  EXPECT_EQ(usage["total_tokens"], prompt + written);
  EXPECT_EQ(usage["prompt_tokens_details"]["cached_tokens"], 0);
  EXPECT_EQ(ask("weather")["timings"]["predicted_n"], written);
}

TEST_F(Routes, TimingsHaveTheFieldsOfTheExistingEngine) {
  const json timings = ask("weather")["timings"];
  for (const char* name :
       {"prompt_per_token_ms", "prompt_per_second", "predicted_n", "predicted_per_token_ms", "predicted_per_second"}) {
    EXPECT_TRUE(timings.at(name).is_number()) << name;
  }
}

TEST_F(Routes, AnswersHaveIdsOfTheirOwn) { EXPECT_NE(ask("weather")["id"], ask("weather")["id"]); }

TEST_F(Routes, MaxTokensEndAnAnswerWithLength) {
  for (const char* name : {"max_tokens", "max_completion_tokens"}) {
    const json answer = ask("weather", {{name, 4}});
    EXPECT_EQ(answer["choices"][0]["message"]["content"], "Sun");  // and the space
    EXPECT_EQ(answer["choices"][0]["finish_reason"], "length");
    EXPECT_EQ(answer["usage"]["completion_tokens"], 4);
  }
}

TEST_F(Routes, StopStringsEndAnAnswerBeforeThem) {
  const json answer = ask("weather", {{"stop", ", 2"}});
  EXPECT_EQ(answer["choices"][0]["message"]["content"], "Sunny");
  EXPECT_EQ(answer["choices"][0]["finish_reason"], "stop");
  EXPECT_EQ(ask("weather", {{"stop", {"never", "ny"}}})["choices"][0]["message"]["content"], "Sun");
}

TEST_F(Routes, NAnswersAreNumberedAndTheirPromptCountsOnce) {
  const json answer = ask("weather", {{"n", 6}});  // more than the model has sequences
  ASSERT_EQ(answer["choices"].size(), 6u);
  for (std::size_t i = 0; i < 6; ++i) {
    EXPECT_EQ(answer["choices"][i]["index"], i);
    EXPECT_EQ(answer["choices"][i]["message"]["content"], "Sunny, 20 °C.");
  }
  EXPECT_EQ(answer["usage"]["prompt_tokens"], 24);
  EXPECT_EQ(answer["usage"]["completion_tokens"], 6 * 15);
}

TEST_F(Routes, ContentMayBeAListOfTextsAndRolesMayBeLeftOut) {
  const json parts = json::array({{{"type", "text"}, {"text", "wea"}}, {{"type", "text"}, {"text", "ther"}}});
  EXPECT_EQ(request({{"messages", json::array({{{"content", parts}}})}})["choices"][0]["message"]["content"],
            "Sunny, 20 °C.");
}

TEST_F(Routes, ADeveloperIsTheSystem) {
  const auto prompt_tokens = [&](const char* role) {
    return request({{"messages",
                     {{{"role", role}, {"content", "Be brief."}},
                      {{"role", "user"}, {"content", "weather"}}}}})["usage"]["prompt_tokens"];
  };
  EXPECT_EQ(prompt_tokens("developer"), 17 + 1 + 24);  // "System: Be brief.", a blank line
  EXPECT_EQ(prompt_tokens("system"), 17 + 1 + 24);
}

TEST_F(Routes, FieldsThatAreNotKnownAndNullsAreIgnored) {
  const json answer = ask("weather", {{"user", "somebody"},
                                      {"temperature", nullptr},
                                      {"tools", json::array()},
                                      {"logprobs", false},
                                      {"stop", nullptr},
                                      {"response_format", {{"type", "text"}}}});
  EXPECT_EQ(answer["choices"][0]["message"]["content"], "Sunny, 20 °C.");
}

TEST_F(Routes, AStreamIsTheAnswerInPieces) {
  std::vector<std::string> events = stream(kWeather);
  ASSERT_GE(events.size(), 4u);
  EXPECT_EQ(events.back(), "[DONE]");
  events.pop_back();
  std::string text;
  for (std::size_t i = 0; i < events.size(); ++i) {
    const json chunk = json::parse(events[i]);
    EXPECT_EQ(chunk["object"], "chat.completion.chunk");
    EXPECT_EQ(chunk["id"], json::parse(events[0])["id"]);
    EXPECT_FALSE(chunk.contains("usage"));
    const json& choice = chunk["choices"].at(0);
    EXPECT_EQ(choice["index"], 0);
    EXPECT_EQ(choice["delta"].contains("role"), i == 0);
    if (i + 1 < events.size()) {
      text += choice["delta"]["content"].get<std::string>();
      EXPECT_TRUE(choice["finish_reason"].is_null());
    } else {
      EXPECT_TRUE(choice["delta"].empty());
      EXPECT_EQ(choice["finish_reason"], "stop");
      EXPECT_EQ(chunk["timings"]["predicted_n"], 15);
    }
  }
  EXPECT_EQ(text, "Sunny, 20 °C.");
}

TEST_F(Routes, AStreamEndsWithUsageWhereItIsAskedFor) {
  json body = kWeather;
  body["stream_options"] = {{"include_usage", true}};
  const std::vector<std::string> events = stream(body);
  const json last = json::parse(events.at(events.size() - 2));
  EXPECT_TRUE(last["choices"].empty());
  EXPECT_EQ(last["usage"]["total_tokens"], 24 + 15);
  for (std::size_t i = 0; i + 2 < events.size(); ++i) EXPECT_TRUE(json::parse(events[i]).at("usage").is_null());
}

TEST_F(Routes, AStreamOfSeveralAnswersNumbersItsPieces) {
  json body = kWeather;
  body["n"] = 3;
  std::map<int, std::string> texts;
  std::map<int, int> ends;
  for (const std::string& event : stream(body)) {
    if (event == "[DONE]") continue;
    const json choice = json::parse(event)["choices"].at(0);
    texts[choice["index"]] += choice["delta"].value("content", "");
    if (choice["finish_reason"] == "stop") ++ends[choice["index"]];
  }
  EXPECT_EQ(texts, (std::map<int, std::string>{{0, "Sunny, 20 °C."}, {1, "Sunny, 20 °C."}, {2, "Sunny, 20 °C."}}));
  EXPECT_EQ(ends, (std::map<int, int>{{0, 1}, {1, 1}, {2, 1}}));
}

// The script takes what follows the colon for the answer, and ends it with a blank line.
TEST_F(Routes, ACompletionGoesOnFromItsPrompt) {
  const json answer = request({{"prompt", "weather\n\nA: Sun"}, {"stop", "\n\n"}}, "/v1/completions");
  EXPECT_TRUE(std::regex_match(answer["id"].get<std::string>(), std::regex("cmpl-[0-9]{10}-[0-9]+")));
  EXPECT_EQ(answer["object"], "text_completion");
  EXPECT_EQ(answer["choices"][0]["text"], "ny, 20 °C.");
  EXPECT_EQ(answer["choices"][0]["finish_reason"], "stop");
  EXPECT_EQ(answer["usage"]["prompt_tokens"], 7 + 1 + 6);
}

TEST_F(Routes, ACompletionEndsWithItsStopCode) {
  const int n = 'n' + 1;  // the token of a byte
  const json answer = request({{"prompt", "weather\n\nA: "}, {"stop_code", n}}, "/v1/completions");
  EXPECT_EQ(answer["choices"][0]["text"], "Sun");
  EXPECT_EQ(answer["choices"][0]["finish_reason"], "stop");
}

TEST_F(Routes, ACompletionTakesSeveralPrompts) {
  const json answer = request({{"prompt", {"weather\n\nA: Sun", "weather\n\nA: Sunny, "}}, {"n", 2}, {"stop", "\n\n"}},
                              "/v1/completions");
  ASSERT_EQ(answer["choices"].size(), 4u);
  EXPECT_EQ(answer["choices"][1]["text"], "ny, 20 °C.");
  EXPECT_EQ(answer["choices"][2]["text"], "20 °C.");
  EXPECT_EQ(answer["usage"]["prompt_tokens"], 14 + 18);
}

TEST_F(Routes, ACompletionIsStreamed) {
  std::string text;
  for (const std::string& event : stream({{"prompt", "weather\n\nA: Sun"}, {"stop", "\n\n"}}, "/v1/completions")) {
    if (event == "[DONE]") continue;
    const json chunk = json::parse(event);
    EXPECT_EQ(chunk["object"], "text_completion");
    text += chunk["choices"].at(0)["text"].get<std::string>();
  }
  EXPECT_EQ(text, "ny, 20 °C.");
}

TEST_F(Routes, ABatchOfChatsIsAnsweredInOrder) {
  const json weather = {{"messages", kWeather["messages"]}};
  const json hello = {{"messages", json::array({{{"content", "Hello"}}})}};
  const json answer = request({{"conversations", {hello, weather}}}, "/v1/batch/chat");
  EXPECT_TRUE(answer["id"].get<std::string>().starts_with("chat-batch-"));
  EXPECT_EQ(answer["object"], "batch.chat.completion");
  EXPECT_EQ(answer["choices"][0]["message"]["content"], "I only know the weather.");
  EXPECT_EQ(answer["choices"][1]["message"]["content"], "Sunny, 20 °C.");
  EXPECT_EQ(answer["timings"].size(), 2u);
}

TEST_F(Routes, ABatchOfCompletionsIsAnsweredInOrder) {
  const json answer =
      request({{"prompts", {"weather\n\nA: Sun", "weather\n\nA: Sunny, ", "weather\n\nA:"}}, {"stop", "\n\n"}},
              "/v1/batch/completions");
  EXPECT_TRUE(answer["id"].get<std::string>().starts_with("cmpl-batch-"));
  EXPECT_EQ(answer["object"], "batch.completion");
  EXPECT_EQ(answer["choices"][0]["text"], "ny, 20 °C.");
  EXPECT_EQ(answer["choices"][1]["text"], "20 °C.");
  EXPECT_EQ(answer["timings"].size(), 3u);
}

TEST_F(Routes, ABatchHasASupportedSize) {
  const HttpAnswer answer = post(server_->port(), "/v1/batch/completions", {{"prompts", {"a", "b", "c", "d", "e"}}});
  EXPECT_EQ(answer.status, 400);
  EXPECT_EQ(answer.error()["param"], "prompts");
}

TEST_F(Routes, RolesAreToldAndSet) {
  const json before = {{"user_role", "User"}, {"assistant_role", "Assistant"}, {"model", "tiny"}};
  EXPECT_EQ(get("/v1/chat/roles"), before);
  EXPECT_EQ(request(json::object(), "/v1/chat/roles"), before);
  const json after = {{"user_role", "Q"}, {"assistant_role", "A"}, {"model", "tiny"}};
  EXPECT_EQ(request({{"user_role", "Q"}, {"assistant_role", "A"}}, "/v1/chat/roles"), after);
  EXPECT_EQ(get("/v1/chat/roles"), after);
  EXPECT_EQ(ask("weather")["usage"]["prompt_tokens"], 10 + 1 + 2);  // "Q: weather", "A:"
}

TEST_F(Routes, AFormOfCurlIsTakenForWhatItHolds) {
  const HttpAnswer answer = send(server_->port(), "POST", "/v1/chat/completions", kWeather.dump(),
                                 {{"Content-Type", "application/x-www-form-urlencoded"}});
  EXPECT_EQ(answer.status, 200) << answer.body;
}

TEST(Models, AreChosenByName) {
  const auto one = load_script(R"({"rwkv_script": 1, "replies": [{"say": "one"}]})");
  const auto two = load_script(R"({"rwkv_script": 1, "replies": [{"say": "two"}]})");
  server::ServerOptions options;
  options.port = 0;
  const server::HttpServer server({greedy(*one, "first"), greedy(*two, "org/second")}, options);
  json body = kWeather;
  const auto text = [&] {
    return post(server.port(), "/v1/chat/completions", body).parsed()["choices"][0]["message"]["content"];
  };
  EXPECT_EQ(text(), "one");
  body["model"] = "org/second";
  EXPECT_EQ(text(), "two");
  body["model"] = "first";
  EXPECT_EQ(text(), "one");
  EXPECT_EQ(send(server.port(), "GET", "/v1/models/org%2Fsecond").parsed()["id"], "org/second");
}

TEST(Models, AnyNameWillDoWhereThatIsWanted) {
  const auto model = load_script(R"({"rwkv_script": 1, "replies": [{"say": "one"}]})");
  server::ServerOptions options;
  options.any_model_name = true;
  const auto server = serve(*model, options);
  json body = kWeather;
  body["model"] = "gpt-something";
  const json answer = post(server->port(), "/v1/chat/completions", body).parsed();
  EXPECT_EQ(answer["model"], "tiny");
}

}  // namespace
}  // namespace rwkv::test
