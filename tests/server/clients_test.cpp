// Several clients at once: each gets its own answer, and what one does is nothing to the others.
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <cstdlib>
#include <fstream>
#include <thread>

#include "test_server.h"

namespace rwkv::test {
namespace {

using Clock = std::chrono::steady_clock;
using namespace std::chrono_literals;

double ms_since(Clock::time_point start) {
  return std::chrono::duration<double, std::milli>(Clock::now() - start).count();
}

json question(const std::string& content) {
  return {{"messages", json::array({{{"role", "user"}, {"content", content}}})}};
}

std::string content_of(const HttpAnswer& answer) {
  if (answer.status != 200) return "status " + std::to_string(answer.status) + ": " + answer.body;
  return answer.parsed()["choices"][0]["message"]["content"];
}

// A held-out question as a request, with its answer.
struct Question {
  json body;
  std::string answer;
};

std::vector<Question> held_out_questions() {
  std::vector<Question> questions;
  std::ifstream file(std::string(RWKV_SOURCE_DIR) + "/models/tiny/heldout.jsonl");
  for (std::string line; std::getline(file, line);) {
    const json item = json::parse(line);
    json messages = json::array();
    for (const json& content : item["messages"]) {
      messages.push_back({{"role", messages.size() % 2 == 0 ? "user" : "assistant"}, {"content", content}});
    }
    questions.push_back(
        {{{"messages", messages}, {"enable_reasoning", item["reasoning"]}, {"max_tokens", 200}}, item["answer"]});
  }
  return questions;
}

std::string without_thoughts(const std::string& text) {
  const std::size_t end = text.rfind("</think>");
  std::string answer = end == std::string::npos ? text : text.substr(end + 8);
  answer.erase(0, answer.find_first_not_of(" \n"));
  return answer;
}

std::string streamed_text(const std::string& body) {
  std::string text;
  for (const std::string& event : events_of(body)) {
    if (event != "[DONE]") text += json::parse(event)["choices"].at(0)["delta"].value("content", "");
  }
  return text;
}

double seconds_of_stress() {
  const char* seconds = std::getenv("RWKV_TEST_SECONDS");
  return seconds ? std::atof(seconds) : 3;
}

// RWKV_TEST_SECONDS says for how long.
TEST(Clients, ThirtyTwoAtOnceGetTheRightAnswers) {
  const std::vector<Question> questions = held_out_questions();
  ASSERT_GE(questions.size(), 900u);
  const auto model = load_shipped();
  const auto server = serve(*model);
  const auto end = Clock::now() + std::chrono::duration<double>(seconds_of_stress());
  std::atomic<std::size_t> next{0};
  std::atomic<int> right{0};
  std::mutex mutex;
  std::vector<std::string> wrong;
  std::vector<std::thread> clients;
  for (int i = 0; i < 32; ++i) {
    clients.emplace_back([&] {
      bool has_asked = false;
      while (!has_asked || Clock::now() < end) {
        has_asked = true;
        const std::size_t number = next++;
        const Question& asked = questions[number % questions.size()];
        json body = asked.body;
        if (number % 2 == 1) body["stream"] = true;
        const HttpAnswer answer = post(server->port(), "/v1/chat/completions", body);
        const std::string text =
            number % 2 == 1 && answer.status == 200 ? streamed_text(answer.body) : content_of(answer);
        if (without_thoughts(text) == asked.answer) {
          ++right;
          continue;
        }
        const std::lock_guard lock(mutex);
        wrong.push_back(asked.body.dump() + " -> " + text);
      }
    });
  }
  for (std::thread& client : clients) client.join();
  EXPECT_TRUE(wrong.empty()) << wrong.size() << " of " << next << " wrong, for example " << wrong.front();
  EXPECT_GE(right, 32);
  std::printf("%d right answers\n", right.load());
}

TEST(Clients, SettingsOfARequestAreThatRequestsAlone) {
  const auto model = load_shipped();
  const auto server = serve(*model);
  const auto ask = [&](const json& more) {
    json body = question("What is 47+38?");
    body.update(more);
    return post(server->port(), "/v1/chat/completions", body);
  };
  const json wild{{"temperature", 5},         {"top_k", 0},         {"top_p", 1},
                  {"presence_penalty", 50},   {"max_tokens", 5},    {"frequency_penalty", 3},
                  {"penalty_decay", 0.5},     {"stop", {"8", "5"}}, {"force_lang", 1},
                  {"enable_reasoning", true}, {"seed", 3}};
  EXPECT_EQ(content_of(ask(json::object())), "85");
  std::vector<std::thread> others;
  std::atomic<bool> done{false};
  for (int i = 0; i < 4; ++i) {
    others.emplace_back([&] {
      while (!done) EXPECT_NE(content_of(ask(wild)), "85");
    });
  }
  for (int i = 0; i < 20; ++i) EXPECT_EQ(content_of(ask(json::object())), "85");
  done = true;
  for (std::thread& other : others) other.join();
  EXPECT_EQ(content_of(ask(json::object())), "85");
}

TEST(Clients, TheSameSeedGivesTheSameText) {
  const auto model = load_shipped();
  const auto server = serve(*model);
  json body = question("Tell me something.");
  body.update({{"temperature", 3}, {"top_k", 0}, {"top_p", 1}, {"max_tokens", 30}, {"seed", 11}});
  const std::string first = content_of(post(server->port(), "/v1/chat/completions", body));
  EXPECT_EQ(content_of(post(server->port(), "/v1/chat/completions", body)), first);
  body["n"] = 2;
  const json both = post(server->port(), "/v1/chat/completions", body).parsed()["choices"];
  EXPECT_EQ(both[0]["message"]["content"], first);
  EXPECT_NE(both[1]["message"]["content"], first);
  body["seed"] = 12;
  EXPECT_NE(content_of(post(server->port(), "/v1/chat/completions", body)), first);
}

TEST(Clients, TemperatureZeroIsTheMostLikelyToken) {
  const auto model = load_shipped();
  server::ServedModel served = greedy(*model, "tiny");
  served.defaults.sampler = {5.0f, 0, 1.0f};  // as wild as can be
  server::ServerOptions options;
  options.port = 0;
  const server::HttpServer server({served}, options);
  json body = question("What is 47+38?");
  body["temperature"] = 0;
  for (int i = 0; i < 5; ++i) EXPECT_EQ(content_of(post(server.port(), "/v1/chat/completions", body)), "85");
}

TEST(Clients, ThoughtsArePartOfTheContent) {
  const auto model = load_shipped();
  const auto server = serve(*model);
  json body = question("What is 64+29?");
  body["enable_reasoning"] = true;
  const std::string text = content_of(post(server->port(), "/v1/chat/completions", body));
  EXPECT_TRUE(text.starts_with("<think>")) << text;
  EXPECT_EQ(without_thoughts(text), "93");
}

TEST(Clients, ThoughtsStandInAFieldOfTheirOwnWhereTheServerIsToldSo) {
  const auto model =
      load_script(R"({"rwkv_script": 1, "replies": [{"say": "<think>\n47+38 is 85.\n</think>\nIt is </b>85."}]})");
  server::ServedModel served = greedy(*model, "tiny");
  served.separates_thoughts = true;
  server::ServerOptions options;
  options.port = 0;
  const server::HttpServer server({served}, options);
  json body = question("?");
  body["enable_reasoning"] = true;
  const json message = post(server.port(), "/v1/chat/completions", body).parsed()["choices"][0]["message"];
  EXPECT_EQ(message["content"], "It is </b>85.");
  EXPECT_EQ(message["reasoning_content"], "47+38 is 85.");
  body["stream"] = true;
  std::string content, thoughts;
  for (const std::string& event : events_of(post(server.port(), "/v1/chat/completions", body).body)) {
    if (event == "[DONE]") continue;
    const json delta = json::parse(event)["choices"][0]["delta"];
    content += delta.value("content", "");
    thoughts += delta.value("reasoning_content", "");
  }
  EXPECT_EQ(content, "It is </b>85.");
  EXPECT_EQ(thoughts, "47+38 is 85.");
}

// A model that takes many seconds for its prompt or its answer, and a client that leaves meanwhile.
class Leaving : public ::testing::Test {
 protected:
  // How long somebody else waits for a short answer. The model can write one at a time.
  double ms_until_answer() {
    const auto start = Clock::now();
    json body = question("Hi");
    body["max_tokens"] = 1;
    EXPECT_EQ(post(server_->port(), "/v1/chat/completions", body).status, 200);
    return ms_since(start);
  }
  void load(const std::string& speeds) {
    server_.reset();
    model_ = load_script(
        R"({"rwkv_script": 1, )" + speeds + R"(, "replies": [{"say": ")" + std::string(3000, 'a') + R"("}]})", 1);
    server_ = serve(*model_);
  }

  std::unique_ptr<LanguageModel> model_;
  std::unique_ptr<server::HttpServer> server_;
};

// The machine may be busy with other things: the first good one of some tries.
template <class Try>
double best_of_some(const Try& attempt) {
  double best = attempt();
  for (int i = 1; i < 20 && best >= 50; ++i) best = std::min(best, attempt());
  return best;
}

TEST_F(Leaving, AClientThatGoesEndsItsAnswer) {
  load(R"("decode_us": 20000)");
  for (const bool stream : {false, true}) {
    json body = question("Hi");
    body["stream"] = stream;
    EXPECT_LT(best_of_some([&] {
                RawConnection connection(server_->port());
                connection.write(post_text("/v1/chat/completions", body.dump()));
                if (stream) connection.read_until("aa");
                std::this_thread::sleep_for(100ms);
                connection.close();
                return ms_until_answer();
              }),
              50);
  }
}

TEST_F(Leaving, AClientThatGoesEndsTheReadingOfItsPrompt) {
  load(R"("prefill_us": 500)");
  EXPECT_LT(best_of_some([&] {
              RawConnection connection(server_->port());
              connection.write(post_text("/v1/chat/completions", question(std::string(20000, 'b')).dump()));
              std::this_thread::sleep_for(100ms);
              connection.close();
              return ms_until_answer();
            }),
            50);
}

TEST_F(Leaving, AClientThatGoesWhileItWaitsIsNotServed) {
  load(R"("decode_us": 5000)");
  json longer = question("Hi");
  longer["max_tokens"] = 100;
  RawConnection first(server_->port());
  first.write(post_text("/v1/chat/completions", longer.dump()));
  std::this_thread::sleep_for(100ms);
  {
    RawConnection second(server_->port());
    second.write(post_text("/v1/chat/completions", question("Hi").dump()));  // would take 15 seconds
    std::this_thread::sleep_for(50ms);
  }
  EXPECT_NE(first.read_until("chat.completion").find("200 OK"), std::string::npos);
  EXPECT_LT(ms_until_answer(), 1000);
}

TEST_F(Leaving, TheOthersGoOn) {
  load(R"("decode_us": 1000)");
  json body = question("Hi");
  body["max_tokens"] = 50;
  std::vector<std::thread> clients;
  for (int i = 0; i < 8; ++i) {
    clients.emplace_back([&, i] {
      if (i % 2 == 0) {
        RawConnection connection(server_->port());
        connection.write(post_text("/v1/chat/completions", body.dump()));
        std::this_thread::sleep_for(std::chrono::milliseconds(10 * i));
      } else {
        EXPECT_EQ(content_of(post(server_->port(), "/v1/chat/completions", body)), std::string(49, 'a'));
      }
    });
  }
  for (std::thread& client : clients) client.join();
}

TEST_F(Leaving, StopEndsWhatIsBeingGenerated) {
  load(R"("decode_us": 20000)");
  json body = question("Hi");
  HttpAnswer whole;
  std::thread client([&, body] { whole = post(server_->port(), "/v1/chat/completions", body); });
  std::this_thread::sleep_for(100ms);
  RawConnection waiting(server_->port());
  body["stream"] = true;
  waiting.write(post_text("/v1/chat/completions", body.dump()));
  waiting.read_until("assistant");
  EXPECT_TRUE(server_->running());
  const auto start = Clock::now();
  server_->stop();
  EXPECT_FALSE(server_->running());
  server_->wait();
  EXPECT_LT(ms_since(start), 2000);
  client.join();
  EXPECT_EQ(whole.status, 503);
  EXPECT_EQ(whole.error()["reason"], "cancelled");
  const std::string& stream = waiting.read_until("[DONE]");
  EXPECT_NE(stream.find(R"("finish_reason":"error")"), std::string::npos) << stream;
  EXPECT_THROW(RawConnection{server_->port()}, std::runtime_error);
  server_->stop();
  server_->wait();
}

TEST_F(Leaving, AServerIsStartedAndStoppedAtAnyMoment) {
  load(R"("decode_us": 1000)");
  for (int i = 0; i < 20; ++i) {
    const auto server = serve(*model_);
    std::vector<std::unique_ptr<RawConnection>> connections;
    for (int c = 0; c < i % 4; ++c) {
      connections.push_back(std::make_unique<RawConnection>(server->port()));
      connections.back()->write(post_text("/v1/chat/completions", question("Hi").dump()).substr(0, c == 1 ? 30 : 9999));
    }
    if (i % 2 == 0) server->stop();
    if (i % 3 == 0) connections.clear();
  }
}

}  // namespace
}  // namespace rwkv::test
