// Pictures and sound over the protocol.
#include <gtest/gtest.h>

#include <cstdlib>
#include <set>

#include "support/encoder_files.h"
#include "test_client.h"

namespace rwkv::bridge::test {
namespace {

class Media : public ::testing::Test {
 protected:
  Media() : model_(client_.load_tiny()) {
    client_.send(p::SetSamplerParams{1, 1, 1, 0, 0, 0, model_});
    client_.send(p::SetImageUniqueIdentifier{"image"});
  }

  std::string written(const std::string& name, const std::string& bytes) const {
    const auto path = client_.folder() / name;
    rwkv::test::write_file(path, bytes);
    return path.string();
  }
  std::string picture(const std::string& name, unsigned seed) const {
    return "<image>" + written(name, rwkv::test::ppm_picture(40, 30, seed)) + "</image>";
  }
  std::string eyes() const { return written("eyes.gguf", rwkv::test::vision_encoder_file()); }
  std::string ears() const { return written("ears.gguf", rwkv::test::audio_encoder_file()); }

  /// The code of the Error that answers a request; empty where there is none.
  std::string code_of(const p::Request& request) {
    const auto id = client_.send(request);
    client_.answer<p::RequestDone>(id);
    const auto errors = client_.all<p::Error>(id);
    return errors.empty() ? "" : errors.front().code.value_or("none");
  }
  p::GenerationEnd end_of(const p::Request& request) { return client_.ask<p::GenerationEnd>(request); }

  static p::PortOptions options() {
    p::PortOptions options;
    options.acknowledge = true;
    options.push = true;
    return options;
  }

  Client client_{options()};
  const std::int32_t model_;
};

TEST_F(Media, APictureInAMessageTakesItsRowsOfTheContext) {
  EXPECT_EQ(code_of(p::LoadVisionEncoder{eyes(), model_}), "");
  // One and two, since the words between are tokenised on their own where a picture is.
  const std::string one = picture("a.ppm", 1);
  const std::string two = one + picture("b.ppm", 2);
  const auto first = end_of(chat(model_, {one + "What is it?"}, 4));
  const auto seen = end_of(chat(model_, {two + "What is it?"}, 4));
  EXPECT_EQ(seen.error.value_or(""), "");
  EXPECT_EQ(seen.prompt_tokens, first.prompt_tokens + 16);
  const auto count = [&](const std::string& message) {
    return client_.ask<p::TokensCount>(p::CalculateTokensCountFromMessages{{message}, model_}).tokens_count;
  };
  EXPECT_EQ(count(two + "What is it?"), count(one + "What is it?") + 16);
}

TEST_F(Media, OtherPicturesGiveOtherAnswersAndTheSameGiveTheSame) {
  EXPECT_EQ(code_of(p::LoadVisionEncoder{eyes(), model_}), "");
  const auto tell = [&](const std::string& shown) { return client_.reply(model_, {shown + "Repeat it."}); };
  std::set<std::string> told;
  for (unsigned seed = 1; seed <= 4; ++seed) {
    const std::string text = tell(picture("a.ppm", seed));
    EXPECT_EQ(tell(picture("b.ppm", seed)), text);
    told.insert(text);
  }
  EXPECT_GT(told.size(), 1u);
}

TEST_F(Media, ABatchSeesAPictureASlot) {
  EXPECT_EQ(code_of(p::LoadVisionEncoder{eyes(), model_}), "");
  const auto id = client_.send(
      batch_chat(model_, {{picture("a.ppm", 1) + "What?"}, {picture("a.ppm", 1) + picture("b.ppm", 2) + "What?"}}));
  client_.answer<p::RequestDone>(id);
  const auto ends = client_.all<p::GenerationEnd>(id);
  ASSERT_EQ(ends.size(), 2u);
  for (const p::GenerationEnd& end : ends) EXPECT_EQ(end.error.value_or(""), "");
  EXPECT_EQ(std::abs(ends[0].prompt_tokens - ends[1].prompt_tokens), 16);
}

TEST_F(Media, ARecordingBecomesThePrompt) {
  EXPECT_EQ(code_of(p::LoadWhisperEncoder{ears(), model_}), "");
  const std::string wav = written("a.wav", rwkv::test::wav_tone(440));
  EXPECT_EQ(code_of(p::SetAudioPrompt{wav, model_}), "");
  EXPECT_EQ(client_.ask<p::CurrentPrompt>(p::GetPrompt{model_}).prompt, "<audio src=\"" + wav + "\">");
  const auto heard = end_of(chat(model_, {"What is it?"}, 4));
  client_.send(p::SetPrompt{"", model_});
  const auto words = end_of(chat(model_, {"What is it?"}, 4));
  EXPECT_GT(heard.prompt_tokens, words.prompt_tokens + 20);  // 26 rows of 50 frames
}

TEST_F(Media, WhatIsMissingIsToldAndTheModelGoesOn) {
  const auto blind = end_of(chat(model_, {picture("a.ppm", 1) + "What?"}, 4));
  EXPECT_EQ(blind.code.value_or(""), "unsupported");
  EXPECT_EQ(code_of(p::SetAudioPrompt{written("a.wav", rwkv::test::wav_tone(440)), model_}), "unsupported");
  EXPECT_EQ(code_of(p::LoadVisionEncoder{"/nowhere.gguf", model_}), "not_found");
  EXPECT_EQ(code_of(p::LoadVisionEncoder{written("bad.gguf", "GGUF"), model_}), "bad_file");
  EXPECT_EQ(code_of(p::LoadVisionEncoder{ears(), model_}), "invalid_argument");
  EXPECT_EQ(code_of(p::LoadWhisperEncoder{eyes(), model_}), "invalid_argument");
  EXPECT_EQ(code_of(p::LoadVisionEncoder{written("wide.gguf", rwkv::test::vision_encoder_file(64)), model_}),
            "invalid_argument");
  EXPECT_EQ(code_of(p::LoadVisionEncoder{eyes(), 77}), "not_found");
  EXPECT_EQ(code_of(p::LoadVisionEncoder{eyes(), model_}), "");
  const auto none = end_of(chat(model_, {"<image>" + written("no.png", "no picture") + "</image>What?"}, 4));
  EXPECT_EQ(none.code.value_or(""), "bad_file");
  EXPECT_EQ(end_of(chat(model_, {picture("a.ppm", 1) + "What?"}, 4)).error.value_or(""), "");
}

TEST_F(Media, EncodersGoAndComeWhileTheModelWrites) {
  const std::string file = eyes();
  EXPECT_EQ(code_of(p::LoadVisionEncoder{file, model_}), "");
  const auto run = client_.send(chat(model_, {picture("a.ppm", 1) + "What?"}, 200));
  EXPECT_EQ(code_of(p::ReleaseVisionEncoder{model_}), "");
  EXPECT_EQ(code_of(p::LoadVisionEncoder{file, model_}), "");
  client_.send(p::Stop{model_});
  client_.answer<p::RequestDone>(run);
  EXPECT_EQ(end_of(chat(model_, {picture("a.ppm", 1) + "What?"}, 4)).error.value_or(""), "");
  const auto release = client_.send(p::ReleaseRWKVModel{model_});
  client_.answer<p::RequestDone>(release);
}

}  // namespace
}  // namespace rwkv::bridge::test
