// The grammar of HTTP, and clients that are idle, slow or many.
#include <gtest/gtest.h>

#include <chrono>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "test_server.h"

namespace rwkv::test {
namespace {

class Http : public ::testing::Test {
 protected:
  void start(server::ServerOptions options = {}, int decode_us = 0) {
    server_.reset();
    model_ = load_script(R"({"rwkv_script": 1, "decode_us": )" + std::to_string(decode_us) +
                             R"(, "replies": [{"say": ")" + std::string(3000, 'a') + R"("}]})",
                         4);
    server_ = serve(*model_, options);
  }
  // All that comes until the server closes the connection.
  std::string raw(const std::string& bytes) {
    RawConnection connection(server_->port());
    connection.write(bytes);
    return connection.read_until("\x01never");
  }
  static std::size_t count(const std::string& text, const std::string& part) {
    std::size_t found = 0;
    for (std::size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) ++found;
    return found;
  }

  std::unique_ptr<LanguageModel> model_;
  std::unique_ptr<server::HttpServer> server_;
};

const std::string kClose = "Host: a\r\nConnection: close\r\n\r\n";

TEST_F(Http, PipelinedRequestsAreAllAnsweredInOrder) {
  start();
  const std::string chat = post_text("/v1/chat/completions", R"({"messages": [{"content": "Hi"}], "max_tokens": 3})");
  const std::string all = raw("GET /v1/models HTTP/1.1\r\nHost: a\r\n\r\n" + chat +
                              "GET /nowhere HTTP/1.1\r\nHost: a\r\n\r\n" + chat + "GET /health HTTP/1.1\r\n" + kClose);
  EXPECT_EQ(count(all, "HTTP/1.1 200 OK"), 4u) << all;
  const std::size_t list = all.find(R"("object":"list")");
  const std::size_t first = all.find("chat.completion");
  const std::size_t missing = all.find("404 Not Found");
  const std::size_t second = all.find("chat.completion", missing);
  EXPECT_TRUE(list < first && first < missing && missing < second && second < all.find(R"({"status":"ok"})")) << all;
}

TEST_F(Http, ARequestMayComeInPiecesOfAnySize) {
  start();
  const std::string request =
      "\r\nPOST /v1/completions HTTP/1.1\r\nHost: a\r\nConnection: close\r\nTransfer-Encoding: "
      "chunked\r\n\r\n9;x=y\r\n{\"prompt\"\r\n1d\r\n: \"User: Hi\", \"max_tokens\":2}\r\n0\r\nA: b\r\n\r\n";
  for (const std::size_t size : {std::size_t{1}, std::size_t{7}, request.size()}) {
    RawConnection connection(server_->port());
    for (std::size_t at = 0; at < request.size(); at += size)
      connection.write(std::string_view(request).substr(at, size));
    EXPECT_EQ(count(connection.read_until("\x01never"), "text_completion"), 1u) << connection.read_until("");
  }
}

TEST_F(Http, AnOlderClientGetsItsStreamWithoutChunks) {
  start();
  const std::string body = R"({"messages": [{"content": "Hi"}], "max_tokens": 3, "stream": true})";
  const std::string answer =
      raw("POST /v1/chat/completions HTTP/1.0\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body);
  EXPECT_EQ(answer.find("chunked"), std::string::npos) << answer;
  EXPECT_TRUE(answer.ends_with("data: [DONE]\n\n")) << answer;
  EXPECT_NE(answer.find("\r\n\r\ndata: {"), std::string::npos) << answer;
}

TEST_F(Http, TheHostIsSaidOnceAndAnAbsoluteAddressSaysItToo) {
  start();
  EXPECT_TRUE(raw("GET http://localhost/health?a=b HTTP/1.1\r\n" + kClose).starts_with("HTTP/1.1 200"));
  EXPECT_TRUE(raw("GET http://elsewhere.example/health HTTP/1.1\r\n" + kClose).starts_with("HTTP/1.1 403"));
  EXPECT_TRUE(raw("GET /v1/models/ HTTP/1.1\r\n" + kClose).starts_with("HTTP/1.1 200"));
  for (const std::string& bad : std::vector<std::string>{
           "GET /health HTTP/1.1\r\n\r\n", "GET /health HTTP/1.1\r\nHost: a\r\n" + kClose,
           "GET /health HTTP/1.1\r\nHost: a b\r\n\r\n", "GET health HTTP/1.1\r\n" + kClose,
           "GET /health HTTP/1.1\r\nA : b\r\n" + kClose, "GET /health HTTP/1.1\r\nA: b\r\n c\r\n" + kClose,
           "GET /%zz HTTP/1.1\r\n" + kClose, "GET /health HTTP/1.1\r\nA: b\rc\r\n" + kClose,
           "POST /v1/completions HTTP/1.1\r\nContent-Length: 2\r\nContent-Length: 3\r\n" + kClose,
           "POST /v1/completions HTTP/1.1\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n" + kClose,
           "POST /v1/completions HTTP/1.1\r\nTransfer-Encoding: chunked\r\nHost: a\r\n\r\n1\nx\r\n0\r\n\r\n"}) {
    const std::string answer = raw(bad);
    EXPECT_TRUE(answer.starts_with("HTTP/1.1 400")) << bad << answer;
    EXPECT_NE(answer.find("Connection: close"), std::string::npos) << bad;
  }
  EXPECT_TRUE(raw("GET /health HTTP/2.0\r\n" + kClose).starts_with("HTTP/1.1 505"));
}

TEST_F(Http, TheWordBeforeTheKeyMayHaveAnyCase) {
  server::ServerOptions options;
  options.api_key = "secret";
  start(options);
  for (const char* word : {"bearer", "BEARER", "Bearer "}) {
    EXPECT_EQ(send(server_->port(), "GET", "/v1/models", "", {{"Authorization", std::string(word) + " secret"}}).status,
              200);
  }
  EXPECT_EQ(send(server_->port(), "GET", "/v1/models", "", {{"Authorization", "Basic secret"}}).status, 401);
}

TEST_F(Http, ABodyIsInvitedAndNotWhereItIsRefused) {
  start();
  const std::string head = "HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 34\r\n\r\n";
  RawConnection good(server_->port());
  good.write("POST /v1/completions " + head);
  EXPECT_EQ(good.read_until("\r\n\r\n"), "HTTP/1.1 100 Continue\r\n\r\n");
  good.write(R"({"prompt": "a", "max_tokens":   1})");
  EXPECT_NE(good.read_until("text_completion").find("200 OK"), std::string::npos);
  RawConnection bad(server_->port());
  bad.write("POST /v1/nothing " + head);
  EXPECT_TRUE(bad.read_until("\r\n\r\n").starts_with("HTTP/1.1 404"));
}

TEST_F(Http, WhoIsIdleSlowOrBusyKeepsNobodyFromQuickAnswers) {
  server::ServerOptions options;
  options.max_connections = 2;
  start(options, 20000);
  std::vector<std::unique_ptr<RawConnection>> others;
  const auto add = [&](const std::string& bytes) {
    others.push_back(std::make_unique<RawConnection>(server_->port()));
    others.back()->write(bytes);
  };
  const std::string stream = post_text("/v1/chat/completions", R"({"messages": [{"content": "Hi"}], "stream": true})");
  for (int i = 0; i < 6; ++i) add(stream);  // two of which are answered now
  for (int i = 0; i < 50; ++i) add("");
  for (int i = 0; i < 50; ++i) add(stream.substr(0, 20 + static_cast<std::size_t>(i)));
  others.front()->read_until("data: ");
  EXPECT_EQ(send(server_->port(), "GET", "/health").status, 200);
  EXPECT_EQ(send(server_->port(), "GET", "/v1/models").status, 200);
  EXPECT_EQ(post(server_->port(), "/v1/chat/completions", {{"messages", 3}}).status, 400);
  EXPECT_EQ(others[5]->read_until("").find("HTTP"), std::string::npos) << "it waits for its turn";
  for (int i = 0; i < 5; ++i) others[static_cast<std::size_t>(i)]->close();
  EXPECT_NE(others[5]->read_until("data: ").find("200 OK"), std::string::npos) << "its turn comes";
}

TEST_F(Http, ARequestThatDoesNotComeToItsEndIsRefusedAfterAWhile) {
  server::ServerOptions options;
  options.patience = std::chrono::milliseconds(100);
  start(options);
  const std::string request = post_text("/v1/completions", R"({"prompt": "a", "max_tokens": 2})");
  for (const std::size_t part : {std::size_t{3}, request.size() - 1}) {
    RawConnection slow(server_->port());
    slow.write(std::string_view(request).substr(0, part));
    const std::string answer = slow.read_until("\x01never");
    EXPECT_TRUE(answer.starts_with("HTTP/1.1 408 ")) << part << answer;
    EXPECT_NE(answer.find("Connection: close"), std::string::npos) << answer;
  }
  // Between requests there is no hurry, nor while the model writes.
  RawConnection idle(server_->port());
  idle.write("GET /health HTTP/1.1\r\nHost: a\r\n\r\n");
  idle.read_until("ok\"}");
  std::this_thread::sleep_for(3 * options.patience);
  idle.write("GET /health HTTP/1.1\r\n" + kClose);
  EXPECT_EQ(count(idle.read_until("\x01never"), "200 OK"), 2u);
}

TEST_F(Http, AClientThatReadsNothingForAWhileIsLeft) {
  server::ServerOptions options;
  options.patience = std::chrono::milliseconds(200);
  start(options);
  RawConnection lazy(server_->port());
  // Their answers are more than the buffers between the two sides hold.
  const std::string ask = "GET /v1/models HTTP/1.1\r\nHost: a\r\n\r\n";
  std::string many;
  for (int i = 0; i < 100000; ++i) many += ask;
  lazy.write(many);
  EXPECT_TRUE(lazy.wait_until_broken());
  EXPECT_EQ(post(server_->port(), "/v1/completions", {{"prompt", "a"}, {"max_tokens", 2}}).status, 200);
}

TEST_F(Http, AClientThatReadsNothingHoldsUpNobody) {
  start();
  RawConnection lazy(server_->port());
  for (int i = 0; i < 200; ++i) {
    lazy.write(post_text("/v1/chat/completions", R"({"messages": [{"content": "Hi"}], "stream": true})"));
  }
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(post(server_->port(), "/v1/completions", {{"prompt", "a"}, {"max_tokens", 2}}).status, 200);
  }
}

}  // namespace
}  // namespace rwkv::test
