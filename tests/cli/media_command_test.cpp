// Pictures and sound on the command line.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "command.h"
#include "support/encoder_files.h"

namespace rwkv::test {
namespace {

class MediaCommand : public ::testing::Test {
 protected:
  std::string written(const std::string& name, const std::string& bytes) const {
    write_file(folder_.path() / name, bytes);
    return (folder_.path() / name).string();
  }
  CommandResult chat(const std::vector<std::string>& more, const std::string& input = "") const {
    std::vector<std::string> arguments{"chat", "-m", kModel.string(), "--encoder", eyes_, "--greedy", "--json",
                                       "-n",   "4"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return rwkv(arguments, input);
  }
  static int prompt_tokens(const std::string& line) { return nlohmann::json::parse(line)["promptTokens"].get<int>(); }

  const ScratchFolder folder_;
  const std::string eyes_ = written("eyes.gguf", vision_encoder_file());
  const std::string picture_ = written("a b.ppm", ppm_picture(40, 30, 1));
};

TEST_F(MediaCommand, ChatShowsPicturesWithItsFirstQuestion) {
  const CommandResult first = chat({"--image", picture_, "-p", "What is it?"});
  ASSERT_EQ(first.exit_code, 0) << first.err;
  const CommandResult seen = chat({"--image", picture_, "--image", picture_, "-p", "What is it?"});
  ASSERT_EQ(seen.exit_code, 0) << seen.err;
  EXPECT_EQ(prompt_tokens(seen.out), prompt_tokens(first.out) + 16);
}

TEST_F(MediaCommand, ChatShowsAPictureWithTheNextQuestion) {
  const CommandResult result = chat({}, "What is it?\n/image " + picture_ + "\nWhat is it?\n/image /nowhere.png\n");
  ASSERT_EQ(result.exit_code, 0) << result.err;
  const std::size_t line = result.out.find('\n');
  EXPECT_GT(prompt_tokens(result.out.substr(line + 1)), prompt_tokens(result.out.substr(0, line)) + 16);
  EXPECT_NE(result.err.find("/nowhere.png"), std::string::npos) << result.err;
}

TEST_F(MediaCommand, WhatCannotBeSeenIsRefused) {
  EXPECT_EQ(chat({"--image", "/nowhere.png", "-p", "What?"}).exit_code, 3);
  const CommandResult blind = rwkv({"chat", "-m", kModel.string(), "--image", picture_, "-p", "What is it?"});
  EXPECT_NE(blind.exit_code, 0);
  EXPECT_NE(blind.err.find("encoder"), std::string::npos) << blind.err;
  EXPECT_EQ(chat({"--image", written("no.png", "no picture"), "-p", "What?"}).exit_code, 3);
}

TEST_F(MediaCommand, ListenHearsOneFileAfterTheOther) {
  const std::string ears = written("ears.gguf", audio_encoder_file());
  const CommandResult result = rwkv({"listen", "-m", kModel.string(), "--encoder", ears, "--greedy", "--json", "-n",
                                     "4", written("a.wav", wav_tone(300)), written("b.wav", wav_tone(500))});
  ASSERT_EQ(result.exit_code, 0) << result.err;
  const std::size_t line = result.out.find('\n');
  const auto first = nlohmann::json::parse(result.out.substr(0, line));
  EXPECT_NE(first["file"].get<std::string>().find("a.wav"), std::string::npos);
  EXPECT_EQ(first["promptTokens"], 26);  // half of 51 frames
  EXPECT_EQ(prompt_tokens(result.out.substr(line + 1)), 26);
  EXPECT_EQ(rwkv({"listen", "-m", kModel.string(), "--encoder", ears, "/nowhere.wav"}).exit_code, 3);
}

TEST_F(MediaCommand, EvalShowsPicturesThatLieBesideItsQuestions) {
  const std::string question = R"({"task": "see", "messages": ["<image>a b.ppm</image>What is it?"], "answer": "x"})";
  const std::string data = written("questions.jsonl", question + "\n");
  const CommandResult result = rwkv({"eval", "-m", kModel.string(), "--encoder", eyes_, "--json", data});
  ASSERT_EQ(result.exit_code, 0) << result.err;
  EXPECT_EQ(nlohmann::json::parse(result.out)["total"], 1);
  EXPECT_NE(rwkv({"eval", "-m", kModel.string(), data}).exit_code, 0);
}

}  // namespace
}  // namespace rwkv::test
