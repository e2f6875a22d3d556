// Requests that cannot be fulfilled, and input that means harm: an error that says why, and the server lives on.
#include <gtest/gtest.h>

#include <random>

#include "test_server.h"

namespace rwkv::test {
namespace {

class Errors : public ::testing::Test {
 protected:
  Errors() { start({}); }
  void start(const server::ServerOptions& options) { server_ = serve(*model_, options); }

  HttpAnswer chat(const std::string& body, const Headers& headers = {}) {
    return send(server_->port(), "POST", "/v1/chat/completions", body, headers);
  }
  // A good request with one more field.
  HttpAnswer chat_with(const std::string& name, const json& value) {
    json body{{"messages", json::array({{{"role", "user"}, {"content", "Hi"}}})}};
    body[name] = value;
    return chat(body.dump());
  }
  bool lives() { return send(server_->port(), "GET", "/health").status == 200; }

  std::unique_ptr<LanguageModel> model_ = load_script(R"({"rwkv_script": 1, "replies": [{"say": "Hello."}]})", 4);
  std::unique_ptr<server::HttpServer> server_;
};

const std::string kGood = R"({"messages": [{"role": "user", "content": "Hi"}]})";

TEST_F(Errors, AWrongFieldIsNamed) {
  const std::vector<std::pair<std::string, json>> wrong{
      {"max_tokens", 0},
      {"max_tokens", -2},
      {"max_tokens", 1.5},
      {"max_tokens", 1e30},
      {"max_tokens", "many"},
      {"max_completion_tokens", 18446744073709551615u},
      {"temperature", "hot"},
      {"temperature", -1},
      {"temperature", json::array()},
      {"top_p", 2},
      {"top_k", 1.5},
      {"top_k", 4294967296},
      {"presence_penalty", 1e40},
      {"frequency_penalty", true},
      {"penalty_decay", -1},
      {"n", 0},
      {"n", 129},
      {"seed", 0.5},
      {"stream", "yes"},
      {"stream_options", 3},
      {"stop", 3},
      {"stop", json::array({"a", 1})},
      {"stop", json(std::vector<std::string>(129, "a"))},
      {"model", 7},
      {"enable_reasoning", 1},
      {"force_lang", 3},
      {"force_lang", json::array({1})},
      {"force_language", "fr"},
      {"messages", nullptr},
      {"messages", json::array()},
      {"messages", "Hi"},
  };
  for (const auto& [name, value] : wrong) {
    const HttpAnswer answer = chat_with(name, value);
    EXPECT_EQ(answer.status, 400) << name << value;
    EXPECT_EQ(answer.error()["type"], "invalid_request_error");
    EXPECT_EQ(answer.error()["param"], name) << value << answer.body;
    EXPECT_EQ(answer.error()["code"], 400);
    EXPECT_EQ(answer.error()["reason"], "invalid_argument");
    EXPECT_FALSE(answer.error()["message"].get<std::string>().empty());
  }
}

TEST_F(Errors, AWrongMessageIsFound) {
  const auto param = [&](const char* messages) {
    const HttpAnswer answer = chat_with("messages", json::parse(messages));
    EXPECT_EQ(answer.status, 400);
    return answer.error()["param"].get<std::string>();
  };
  EXPECT_EQ(param(R"([{"content": "Hi"}, 5])"), "messages[1]");
  EXPECT_EQ(param(R"([{"content": "Hi"}, {"role": 1, "content": "Hi"}])"), "messages[1].role");
  EXPECT_EQ(param(R"([{"role": "user"}])"), "messages[0].content");
  EXPECT_EQ(param(R"([{"role": "a\n\nUser", "content": "Hi"}])"), "messages[0].role");
  EXPECT_EQ(param(R"([{"role": "", "content": "Hi"}])"), "messages[0].role");
  EXPECT_EQ(param(R"([{"content": [{"type": "text"}]}])"), "messages[0].content[].text");
  EXPECT_EQ(param(R"([{"content": [{"type": "image_url"}]}])"), "messages[0].content[].type");
}

TEST_F(Errors, WhatIsNotBuiltIsUnsupportedAndNotIgnored) {
  const std::vector<std::pair<std::string, const char*>> wishes{
      {"logprobs", "true"},
      {"logprobs", "0"},
      {"top_logprobs", "2"},
      {"tools", R"([{"type": "function"}])"},
      {"logit_bias", R"({"5": 1})"},
      {"modalities", R"(["text", "audio"])"},
      {"response_format", R"({"type": "json_object"})"},
      {"best_of", "2"},
      {"echo", "true"},
      {"suffix", "\"end\""},
      {"min_p", "0.05"},
      {"repeat_penalty", "1.1"},
      {"mirostat", "2"},
      {"grammar", R"("root ::= x")"},
  };
  for (const auto& [name, value] : wishes) {
    const HttpAnswer answer = chat_with(name, json::parse(value));
    EXPECT_EQ(answer.status, 400) << name;
    EXPECT_EQ(answer.error()["reason"], "unsupported") << answer.body;
    EXPECT_TRUE(answer.error()["param"].get<std::string>().starts_with(name)) << answer.body;
  }
}

TEST_F(Errors, AWrongRequestForAStreamIsNoStream) {
  const HttpAnswer answer = chat(R"({"stream": true, "messages": []})");
  EXPECT_EQ(answer.status, 400);
  EXPECT_EQ(answer.error()["param"], "messages");
}

TEST_F(Errors, AnUnknownModelIsNotFound) {
  for (const HttpAnswer& answer : {chat_with("model", "gpt-9"), send(server_->port(), "GET", "/v1/models/gpt-9")}) {
    EXPECT_EQ(answer.status, 404);
    EXPECT_EQ(answer.error()["param"], "model");
    EXPECT_EQ(answer.error()["reason"], "not_found");
  }
}

TEST_F(Errors, AnUnknownRouteIsNotFound) {
  for (const auto& [method, path] : std::vector<std::pair<std::string, std::string>>{
           {"GET", "/"}, {"GET", "/v1"}, {"POST", "/v1/chat"}, {"PUT", "/x"}}) {
    const HttpAnswer answer = send(server_->port(), method, path);
    EXPECT_EQ(answer.status, 404) << method << path;
    EXPECT_EQ(answer.error()["type"], "invalid_request_error");
  }
}

// These were 404 as well once. RFC 9110 wants 405 with the methods there are, which clients tell people.
TEST_F(Errors, AKnownRouteSaysWhichMethodsItHas) {
  const std::vector<std::vector<std::string>> wrong{{"GET", "/v1/chat/completions", "POST, OPTIONS"},
                                                    {"POST", "/v1/models", "GET, HEAD, OPTIONS"},
                                                    {"DELETE", "/v1/models/tiny", "GET, HEAD, OPTIONS"},
                                                    {"PATCH", "/v1/chat/roles/", "GET, HEAD, POST, OPTIONS"}};
  for (const auto& each : wrong) {
    const HttpAnswer answer = send(server_->port(), each[0], each[1]);
    EXPECT_EQ(answer.status, 405) << each[0] << each[1];
    EXPECT_EQ(answer.headers.at("allow"), each[2]);
    EXPECT_EQ(answer.error()["type"], "invalid_request_error");
  }
  const HttpAnswer options = send(server_->port(), "OPTIONS", "/v1/completions");
  EXPECT_EQ(options.status, 204);
  EXPECT_EQ(options.headers.at("allow"), "POST, OPTIONS");
  const HttpAnswer head = send(server_->port(), "HEAD", "/v1/models");
  EXPECT_EQ(head.status, 200);
  EXPECT_TRUE(head.body.empty());
}

TEST_F(Errors, WhatIsNoJsonIsSaid) {
  for (const std::string& body : std::vector<std::string>{"", "{", "nonsense", kGood + "x", std::string("{}\0{}", 5),
                                                          R"({"messages": [{"content": ")"
                                                          "\xff\xfe"
                                                          R"("}]})",
                                                          R"({"messages": [{"content": ")"
                                                          "\xc0\xaf"
                                                          R"("}]})",
                                                          "[]", "3", "null", std::string(100000, '[')}) {
    const HttpAnswer answer = chat(body);
    EXPECT_EQ(answer.status, 400) << body.substr(0, 50);
    EXPECT_EQ(answer.error()["reason"], "invalid_argument");
  }
  EXPECT_TRUE(lives());
}

TEST_F(Errors, HalfASurrogateIsNoReasonToFail) {
  EXPECT_EQ(chat(R"({"messages": [{"content": "\ud83d"}]})").status, 200);
}

TEST_F(Errors, ABodyMayNotBeTooLong) {
  server::ServerOptions options;
  options.max_body_bytes = 1000;
  start(options);
  const json fitting{{"messages", json::array({{{"content", std::string(900, 'a')}}})}};
  EXPECT_EQ(chat(fitting.dump()).status, 200);
  const json too_long{{"messages", json::array({{{"content", std::string(100000, 'a')}}})}};
  const HttpAnswer answer = chat(too_long.dump());
  EXPECT_EQ(answer.status, 413);
  EXPECT_EQ(answer.error()["code"], 413);
  EXPECT_EQ(chat(too_long.dump(), {{"Content-Type", "application/x-www-form-urlencoded"}}).status, 413);
  EXPECT_TRUE(lives());
}

TEST_F(Errors, WithoutTheKeyNothingIsServedButHealth) {
  server::ServerOptions options;
  options.api_key = "secret";
  start(options);
  EXPECT_TRUE(lives());
  for (const char* given : {"", "Bearer", "Bearer ", "Bearer secre", "Bearer secret2", "Bearer sekret", "secret"}) {
    const HttpAnswer answer = chat(kGood, {{"Authorization", given}});
    EXPECT_EQ(answer.status, 401) << given;
    EXPECT_EQ(answer.error()["code"], 401);
  }
  EXPECT_EQ(send(server_->port(), "GET", "/v1/models").status, 401);
  EXPECT_EQ(chat(kGood, {{"Authorization", "Bearer secret"}}).status, 200);
}

TEST_F(Errors, WebPagesMayNotUseTheServerUnlessTheyAreLet) {
  const Headers from_page{{"Origin", "https://example.org"}};
  EXPECT_EQ(chat(kGood, from_page).status, 403);

  server::ServerOptions options;
  options.web_origins = {"https://example.org"};
  options.api_key = "secret";
  start(options);
  EXPECT_EQ(chat(kGood, {{"Origin", "https://example.com"}}).status, 403);
  EXPECT_EQ(chat(kGood, from_page).status, 401);
  const HttpAnswer answer = chat(kGood, {{"Origin", "https://example.org"}, {"Authorization", "Bearer secret"}});
  EXPECT_EQ(answer.status, 200);
  EXPECT_EQ(answer.headers.at("access-control-allow-origin"), "https://example.org");
  // The browser asks before, without the key.
  const HttpAnswer preflight =
      send(server_->port(), "OPTIONS", "/v1/chat/completions", "",
           {{"Origin", "https://example.org"}, {"Access-Control-Request-Headers", "authorization, content-type"}});
  EXPECT_EQ(preflight.status, 204);
  EXPECT_EQ(preflight.headers.at("access-control-allow-headers"), "authorization, content-type");
}

TEST_F(Errors, SeveralOriginsMayBeLetInAndEachIsAnsweredWithItself) {
  server::ServerOptions options;
  options.web_origins = {"app://notes", "https://example.org"};
  start(options);
  for (const std::string& origin : options.web_origins) {
    const HttpAnswer answer = chat(kGood, {{"Origin", origin}});
    EXPECT_EQ(answer.status, 200);
    EXPECT_EQ(answer.headers.at("access-control-allow-origin"), origin);
  }
  EXPECT_EQ(chat(kGood, {{"Origin", "app://others"}}).status, 403);
  options.web_origins.push_back("*");
  start(options);
  EXPECT_EQ(chat(kGood, {{"Origin", "app://others"}}).headers.at("access-control-allow-origin"), "*");
}

TEST_F(Errors, ARequestForAnotherHostIsRefusedUnlessTheNameIsAllowed) {
  const auto status = [&](const std::string& host) {
    return send(server_->port(), "GET", "/v1/models", "", {{"Host", host}}).status;
  };
  for (const char* own :
       {"localhost", "LOCALHOST:80", "127.0.0.1:8000", "127.9.9.9", "[::1]:1", "[::1]", "a.localhost", "container"}) {
    EXPECT_EQ(status(own), 200) << own;
  }
  for (const char* other : {"rebind.example", "localhost.example:8000", "127.0.0.1.example", "10.0.0.1", "[fe80::1]"}) {
    EXPECT_EQ(status(other), 403) << other;
  }
  server::ServerOptions options;
  options.allowed_hosts = {"model.example"};
  start(options);
  EXPECT_EQ(status("Model.Example:443"), 200);
  EXPECT_EQ(status("rebind.example"), 403);
  options.allowed_hosts = {"*"};
  start(options);
  EXPECT_EQ(status("rebind.example"), 200);
}

TEST_F(Errors, APackedBodyIsNamed) {
  const HttpAnswer answer = chat(kGood, {{"Content-Encoding", "br"}});
  EXPECT_EQ(answer.status, 415);
  EXPECT_NE(answer.error()["message"].get<std::string>().find("br"), std::string::npos);
  EXPECT_EQ(chat(kGood, {{"Content-Encoding", "identity"}}).status, 200);
}

TEST_F(Errors, WhatTheModelFailsAtIsAServerError) {
  const auto failing =
      load_script(R"({"rwkv_script": 1, "fail_after": 25, "replies": [{"say": "Hello, you there."}]})");
  server_ = serve(*failing);
  const HttpAnswer answer = chat(kGood);
  EXPECT_EQ(answer.status, 500);
  EXPECT_EQ(answer.error()["type"], "server_error");
  EXPECT_EQ(answer.error()["reason"], "evaluation");

  const std::vector<std::string> events = events_of(chat_with("stream", true).body);
  EXPECT_EQ(events.back(), "[DONE]");
  const json last = json::parse(events.at(events.size() - 2));
  EXPECT_EQ(last["choices"][0]["finish_reason"], "error");
  EXPECT_EQ(last["error"]["reason"], "evaluation");
  server_.reset();
}

TEST_F(Errors, ATakenPortIsAnError) {
  server::ServerOptions options;
  options.port = server_->port();
  std::vector<server::ServedModel> models;
  models.push_back(greedy(*model_, "tiny"));
  try {
    const server::HttpServer second(std::move(models), options);
    FAIL() << "two servers listen on one port";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kIo);
  }
}

TEST_F(Errors, BadOptionsAreRefused) {
  const auto code = [&](std::vector<server::ServedModel> models, server::ServerOptions options) {
    try {
      const server::HttpServer server(std::move(models), options);
      return ErrorCode::kInternal;
    } catch (const Error& error) {
      return error.code();
    }
  };
  server::ServerOptions options;
  options.port = 0;
  EXPECT_EQ(code({}, options), ErrorCode::kInvalidArgument);
  EXPECT_EQ(code({greedy(*model_, "a"), greedy(*model_, "a")}, options), ErrorCode::kInvalidArgument);
  options.port = 70000;
  EXPECT_EQ(code({greedy(*model_, "a")}, options), ErrorCode::kInvalidArgument);
  options.port = 0;
  options.max_connections = 0;
  EXPECT_EQ(code({greedy(*model_, "a")}, options), ErrorCode::kInvalidArgument);
  options.max_connections = 1;
  options.host = "no.such.host.invalid";
  EXPECT_EQ(code({greedy(*model_, "a")}, options), ErrorCode::kIo);
}

TEST_F(Errors, WhatIsNoHttpIsRefused) {
  for (const std::string& bytes : std::vector<std::string>{
           "\r\n\r\n", "nonsense\r\n\r\n", "GET\r\n\r\n", std::string(1000, '\0'), "GET /health HTTP/9.9\r\n\r\n",
           "GET /" + std::string(100000, 'a') + " HTTP/1.1\r\n\r\n",
           "GET /health HTTP/1.1\r\nHeader: " + std::string(100000, 'a') + "\r\n\r\n",
           "POST /v1/completions HTTP/1.1\r\nContent-Length: -5\r\n\r\n{}",
           "POST /v1/completions HTTP/1.1\r\nContent-Length: 99999999999999999999\r\n\r\n{}",
           "POST /v1/completions HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
           "POST /v1/completions HTTP/1.1\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n{}",
           "POST /v1/completions HTTP/1.1\r\nContent-Type: multipart/form-data; boundary=x\r\nContent-Length: "
           "2\r\n\r\n{}"}) {
    RawConnection connection(server_->port());
    connection.write(bytes);
    connection.finish_writing();
    const std::string answer = connection.read_until("\r\n\r\n");
    EXPECT_FALSE(answer.starts_with("HTTP/1.1 200")) << bytes.substr(0, 60);
  }
  EXPECT_TRUE(lives());
}

TEST_F(Errors, NothingInABodyEndsTheServer) {
  const std::string good =
      R"({"messages":[{"role":"user","content":"Hi"}],"max_tokens":5,"stop":["a"],"n":2,"seed":1})";
  const std::vector<std::string> pieces{"{",    "}",    "[",           "]",    "null", "-1",
                                        "1e99", "\"\"", "\"\\u0000\"", "\xff", "true"};
  std::mt19937 random(7);
  const auto any = [&](std::size_t below) { return std::uniform_int_distribution<std::size_t>(0, below - 1)(random); };
  const std::vector<std::string> paths{"/v1/chat/completions", "/v1/completions", "/v1/batch/chat",
                                       "/v1/batch/completions", "/v1/chat/roles"};
  for (int i = 0; i < 300; ++i) {
    std::string body = good;
    for (std::size_t changes = 1 + any(3); changes > 0; --changes) {
      body.replace(any(body.size()), any(6), pieces[any(pieces.size())]);
    }
    const HttpAnswer answer = send(server_->port(), "POST", paths[any(paths.size())], body);
    ASSERT_TRUE(answer.status == 200 || answer.status == 400 || answer.status == 404) << body << answer.body;
    ASSERT_TRUE(answer.parsed().is_object() && (answer.status == 200) == !answer.parsed().contains("error")) << body;
  }
  EXPECT_TRUE(lives());
}

}  // namespace
}  // namespace rwkv::test
