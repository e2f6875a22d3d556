// The HTTP server behind the C functions. What it answers is tested in tests/server; here that it starts, serves the
// model's settings, and ends with what it stands on.
#include <gtest/gtest.h>
#include <httplib.h>

#include <algorithm>
#include <atomic>
#include <filesystem>
#include <string>
#include <thread>

#include "c_test.h"
#include "rwkv_mobile.hpp"
#include "support/scratch.h"

namespace {

class CApiServer : public ::testing::Test {
 protected:
  rwkvmobile_server_t start(const rwkv_mobile::Model& model) {
    rwkvmobile_server_config config = rwkvmobile_server_config_default();
    config.port = 0;
    return rwkvmobile_server_start(model.runtime(), model.id(), &config);
  }
  static std::string ask(rwkvmobile_server_t server, const std::string& question) {
    httplib::Client client("127.0.0.1", rwkv_ext_server_port(server));
    client.set_read_timeout(60);
    const auto answer =
        client.Post("/v1/chat/completions", R"({"messages": [{"role": "user", "content": ")" + question + R"("}]})",
                    "application/json");
    return answer ? answer->body : "";
  }
  static bool healthy(int port) {
    httplib::Client client("127.0.0.1", port);
    return static_cast<bool>(client.Get("/health"));
  }

  std::string script(const std::string& say, int decode_us = 0) {
    const std::string path = (folder_.path() / "script.json").string();
    rwkv::test::write_file(path, R"({"rwkv_script": 1, "decode_us": )" + std::to_string(decode_us) +
                                     R"(, "replies": [{"say": ")" + say + R"("}]})");
    return path;
  }

  rwkv::test::ScratchFolder folder_;
};

TEST_F(CApiServer, AnswersWithTheModelsSettingsBesideTheRuntime) {
  const std::int64_t before = rwkv_ext_live_objects();
  {
    rwkv_mobile::Runtime runtime;
    rwkv_mobile::Model model = runtime.load(MODEL);
    model.set_sampler({1, 1, 1});
    model.set_penalties({0, 0, 0});
    const rwkvmobile_server_t server = start(model);
    ASSERT_NE(server, nullptr);
    ASSERT_GT(rwkv_ext_server_port(server), 0);
    EXPECT_NE(ask(server, "What is 47+38?").find("85"), std::string::npos);
    model.chat({"What is 47+38?"}, 50);
    EXPECT_NE(ask(server, "What is 64+29?").find("93"), std::string::npos);
    model.wait();
    EXPECT_EQ(model.response().text, "85");
    EXPECT_EQ(rwkvmobile_server_stop(server), 0);
    EXPECT_EQ(rwkvmobile_server_wait(server), 0);
    EXPECT_EQ(rwkvmobile_server_release(server), 0);
    EXPECT_EQ(rwkvmobile_server_release(server), 8);
    EXPECT_EQ(rwkv_ext_server_port(server), 0);
  }
  EXPECT_EQ(rwkv_ext_live_objects(), before);
}

// As after a restart: nothing but the folder is left.
TEST_F(CApiServer, ConversationsOutliveTheRuntimeInAFolder) {
  const std::filesystem::path states = folder_.path() / "states";
  const auto is_empty = [&] {
    const std::filesystem::recursive_directory_iterator files(states);
    return std::none_of(begin(files), end(files), [](const auto& file) { return file.is_regular_file(); });
  };
  const std::string question = "What is 47+38?";
  const auto ask_anew = [&](bool with_folder, const std::string& conversation) {
    rwkv_mobile::Runtime runtime;
    rwkv_mobile::Model model = runtime.load(MODEL);
    if (with_folder) model.set_state_folder(states.string(), std::int64_t{1} << 20);
    const rwkvmobile_server_t server = start(model);
    const std::string answer = ask(server, conversation);
    while (with_folder && is_empty()) sleep_ms(10);  // the state that the next turn begins with is written soon
    rwkvmobile_server_release(server);
    return answer;
  };
  const std::string unknown = R"("cached_tokens":0)";
  EXPECT_NE(ask_anew(true, question).find(unknown), std::string::npos);
  const std::string next_turn =
      question + R"("}, {"role": "assistant", "content": "85"}, {"role": "user", "content": "What is 3+4?)";
  const std::string known = ask_anew(true, next_turn);
  EXPECT_NE(known.find(R"("cached_tokens":)"), std::string::npos) << known;
  EXPECT_EQ(known.find(unknown), std::string::npos) << known;
  EXPECT_NE(ask_anew(false, next_turn).find(unknown), std::string::npos);
}

TEST_F(CApiServer, IsNotStartedWithoutAModelOrAPort) {
  rwkv_mobile::Runtime runtime;
  rwkv_mobile::Model model = runtime.load(script("x"), "scripted");
  rwkvmobile_server_config config = rwkvmobile_server_config_default();
  EXPECT_EQ(rwkvmobile_server_start(nullptr, 0, &config), nullptr);
  EXPECT_EQ(rwkvmobile_server_start(runtime.handle(), 7, &config), nullptr);
  const rwkvmobile_server_t first = start(model);
  config.port = rwkv_ext_server_port(first);
  EXPECT_EQ(rwkvmobile_server_start(runtime.handle(), 0, &config), nullptr) << "the port is taken";
  char error[256];
  EXPECT_EQ(rwkv_ext_last_error(runtime.handle(), error, sizeof error), 0);
  EXPECT_NE(std::string(error), "");
  EXPECT_EQ(rwkvmobile_server_release(first), 0);
}

TEST_F(CApiServer, EndsWithItsModelWhileItAnswers) {
  rwkv_mobile::Runtime runtime;
  rwkvmobile_server_t server = nullptr;
  std::thread client;
  std::atomic<bool> asking{false};
  int port = 0;
  {
    rwkv_mobile::Model model = runtime.load(script(std::string(5000, 'x'), 10'000), "scripted");
    server = start(model);
    ASSERT_NE(server, nullptr);
    port = rwkv_ext_server_port(server);
    client = std::thread([&] {
      asking = true;
      ask(server, "Hi");  // takes most of a minute if nothing ends it
    });
    while (!asking) std::this_thread::yield();
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
    EXPECT_TRUE(healthy(port));
  }
  EXPECT_FALSE(healthy(port));
  client.join();
  EXPECT_EQ(rwkvmobile_server_wait(server), 0);
  EXPECT_EQ(rwkvmobile_server_release(server), 0);
}

}  // namespace
