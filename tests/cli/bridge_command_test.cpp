// `rwkv bridge`: the protocol, a JSON object a line.
#include <gtest/gtest.h>

#include <cstdio>
#include <cstdlib>
#include <nlohmann/json.hpp>
#include <sstream>
#include <stdexcept>
#include <utility>

#include "cli/command.h"

namespace rwkv::test {
namespace {

using Json = nlohmann::json;

// Every line of output, each of which must be a JSON object.
std::vector<Json> talk(const std::vector<std::string>& lines, std::vector<std::string> flags = {}) {
  std::string input;
  for (const std::string& line : lines) input += line + "\n";
  flags.insert(flags.begin(), "bridge");
  const CommandResult result = rwkv(flags, input);
  EXPECT_EQ(result.exit_code, 0) << result.err;
  std::vector<Json> messages;
  std::istringstream out(result.out);
  for (std::string line; std::getline(out, line);) {
    messages.push_back(Json::parse(line, nullptr, false));
    EXPECT_TRUE(messages.back().is_object()) << line;
  }
  return messages;
}

std::string load_line() {
  return Json{{"type", "LoadRWKVModel"},
              {"requestId", 1},
              {"modelPath", kModel.string()},
              {"backend", "llama.cpp"},
              {"tokenizerPath", ""}}
      .dump();
}

Json chat(int id, const std::string& question) {
  return {{"type", "ChatAsync"},
          {"requestId", id},
          {"messages", {question}},
          {"enableReasoning", false},
          {"forceReasoning", false},
          {"addGenerationPrompt", true},
          {"modelID", 0}};
}

std::string greedy() {
  return R"({"type":"SetSamplerParams","temperature":1,"topK":1,"topP":1,"presencePenalty":0,"frequencyPenalty":0,)"
         R"("penaltyDecay":0,"modelID":0})";
}

std::vector<Json> of_type(const std::vector<Json>& messages, const std::string& type) {
  std::vector<Json> found;
  for (const Json& message : messages) {
    if (message["type"] == type) found.push_back(message);
  }
  return found;
}

TEST(BridgeCommand, LoadsChatsAndPushesTheAnswer) {
  const auto messages = talk({load_line(), greedy(), chat(2, "20+8=").dump()}, {"--push"});
  std::string text;
  for (const Json& delta : of_type(messages, "GenerationDelta")) text += delta["text"].get<std::string>();
  EXPECT_EQ(text, "28");
  const auto ends = of_type(messages, "GenerationEnd");
  ASSERT_EQ(ends.size(), 1u);
  EXPECT_EQ(ends[0]["requestId"], 2);
}

TEST(BridgeCommand, TheEndOfInputWaitsForTheLastAnswer) {
  const auto messages = talk({load_line(), greedy(), chat(2, "20+8=").dump()}, {"--notify-end", "--acknowledge"});
  const auto stops = of_type(messages, "GenerateStop");
  ASSERT_EQ(stops.size(), 1u);
  EXPECT_EQ(stops[0]["requestId"], 2);
  EXPECT_EQ(messages.back(), (Json{{"type", "RequestDone"}, {"requestId", 2}}));
  EXPECT_EQ(of_type(messages, "RequestDone").size(), 3u);  // load, setting, chat
}

TEST(BridgeCommand, InputThatComesFasterThanItIsServedIsServedWhole) {
  // Three times what may wait.
  std::vector<std::string> lines;
  for (int id = 0; id < 24; ++id) {
    lines.push_back(R"({"type":"GetModels","requestId":)" + std::to_string(id) + R"(,"pad":")" +
                    std::string(8 << 20, 'x') + "\"}");
  }
  const auto messages = talk(lines);
  ASSERT_EQ(messages.size(), lines.size());
  for (int id = 0; id < 24; ++id) EXPECT_EQ(messages[static_cast<std::size_t>(id)]["requestId"], id);
}

// A conversation in which the next line depends on what came.
class Session {
 public:
  Session() {
    int in[2];
    int out[2];
    if (pipe(in) != 0 || pipe(out) != 0) throw std::runtime_error("pipe");
    const std::string program = (std::filesystem::path(RWKV_BINARY_DIR) / "bin" / "rwkv").string();
    child_ = fork();
    if (child_ == 0) {
      dup2(in[0], 0);
      dup2(out[1], 1);
      for (const int fd : {in[0], in[1], out[0], out[1]}) ::close(fd);
      execl(program.c_str(), program.c_str(), "bridge", "--push", nullptr);
      _exit(127);
    }
    ::close(in[0]);
    ::close(out[1]);
    to_ = in[1];
    from_ = fdopen(out[0], "r");
  }
  ~Session() {
    if (to_ >= 0) finish();
    fclose(from_);
  }

  void say(const std::string& line) {
    const std::string text = line + "\n";
    EXPECT_EQ(write(to_, text.data(), text.size()), static_cast<ssize_t>(text.size()));
  }
  /// Reads up to the first message of this type that answers the request.
  Json hear(const std::string& type, int id) {
    char* line = nullptr;
    std::size_t size = 0;
    Json message;
    while (getline(&line, &size, from_) > 0) {
      message = Json::parse(line, nullptr, false);
      messages.push_back(message);
      if (message["type"] == type && message.value("requestId", -1) == id) break;
      message = nullptr;
    }
    free(line);
    EXPECT_FALSE(message.is_null()) << "no " << type;
    return message;
  }
  int finish() {
    ::close(std::exchange(to_, -1));
    int status = 0;
    waitpid(child_, &status, 0);
    return WEXITSTATUS(status);
  }

  std::vector<Json> messages;

 private:
  pid_t child_ = -1;
  int to_ = -1;
  FILE* from_ = nullptr;
};

TEST(BridgeCommand, StopsAndResumes) {
  Session session;
  session.say(load_line());
  Json step;
  do {
    step = session.hear("LoadModelSteps", 1);
    ASSERT_TRUE(step.is_object());
  } while (step["status"] == "loading");
  ASSERT_EQ(step["status"], "loaded");
  session.say(greedy());
  // Ends by itself only after an hour or so.
  session.say(
      R"({"type":"GenerateAsync","requestId":2,"prompt":"20+8=","modelID":0,"maxLength":100000000,"stopToken":999999})");
  session.hear("GenerationDelta", 2);
  session.say(R"({"type":"Stop","requestId":3,"modelID":0})");
  session.hear("GenerateStop", 3);
  Json resume = chat(4, "20+8=");
  resume["messages"] = {"20+8=", "2"};
  resume["addGenerationPrompt"] = false;
  session.say(resume.dump());
  EXPECT_NE(session.hear("GenerationEnd", 4)["reason"], "cancelled");
  EXPECT_EQ(session.finish(), 0);
  std::string text;
  for (const Json& delta : of_type(session.messages, "GenerationDelta")) {
    if (delta["requestId"] == 4) text += delta["text"].get<std::string>();
  }
  EXPECT_EQ(text, "28");
  EXPECT_TRUE(of_type(session.messages, "Error").empty());
}

TEST(BridgeCommand, AnswersABatchOfEightAndReleases) {
  Json request = chat(2, "");
  request["type"] = "ChatBatchAsync";
  request["messages"] = Json::array();
  for (int i = 0; i < 8; ++i)
    request["messages"].push_back({std::to_string(20 + i) + "+" + std::to_string(3 * i) + "="});
  request["batchSize"] = 8;
  const auto messages = talk({load_line(), greedy(), request.dump()}, {"--push"});
  std::vector<std::string> texts(8);
  for (const Json& delta : of_type(messages, "GenerationDelta")) {
    texts[delta["slot"].get<std::size_t>()] += delta["text"].get<std::string>();
  }
  int right = 0;
  for (int i = 0; i < 8; ++i) right += texts[static_cast<std::size_t>(i)] == std::to_string(20 + 4 * i) ? 1 : 0;
  EXPECT_GE(right, 6);
  EXPECT_EQ(of_type(messages, "GenerationEnd").size(), 8u);

  // A request for the model that is being loaded waits for it.
  const auto released = talk({load_line(), R"({"type":"ReleaseRWKVModel","requestId":2,"modelID":0})"});
  EXPECT_EQ(released.back()["type"], "LoadModelSteps");
  EXPECT_EQ(released.back()["status"], "released");
}

TEST(BridgeCommand, BrokenLinesAreAnsweredByAnError) {
  const auto messages = talk({"{", "[1]", "hello", R"({"type":"Nonsense","requestId":6})", "\xff\xfe", "",
                              R"({"type":"GetModels","requestId":7})"});
  ASSERT_EQ(messages.size(), 6u);
  for (std::size_t i = 0; i < 5; ++i) EXPECT_EQ(messages[i]["type"], "Error");
  EXPECT_EQ(messages[3]["requestId"], 6);
  EXPECT_EQ(messages[5]["type"], "LoadedModels");
}

}  // namespace
}  // namespace rwkv::test
