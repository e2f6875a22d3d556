// Pictures and sound through the C functions.
#include <gtest/gtest.h>

#include <string>

#include "c_test.h"
#include "rwkv_mobile.hpp"
#include "support/encoder_files.h"
#include "support/scratch.h"

namespace {

using rwkv_mobile::Model;
using rwkv_mobile::Runtime;

class Media : public ::testing::Test {
 protected:
  Media() {
    model_.set_sampler({1, 1, 1});
    model_.set_penalties({0, 0, 0});
    EXPECT_EQ(rwkvmobile_runtime_set_image_unique_identifier(handle(), "image"), 0);
  }

  std::string written(const std::string& name, const std::string& bytes) const {
    rwkv::test::write_file(folder_.path() / name, bytes);
    return (folder_.path() / name).string();
  }
  std::string picture(unsigned seed) const {
    return "<image>" + written(std::to_string(seed), rwkv::test::ppm_picture(30, 40, seed)) + "</image>";
  }
  int count(const std::string& message) const {
    const char* inputs[] = {message.c_str()};
    return rwkvmobile_runtime_calculate_tokens_count_from_messages(handle(), model_.id(), inputs, 1);
  }
  rwkvmobile_runtime_t handle() const { return model_.runtime(); }

  rwkv::test::ScratchFolder folder_;
  Runtime runtime_;
  Model model_ = runtime_.load((rwkv::test::kModel).string());
};

TEST_F(Media, APictureIsLookedAtAndCounted) {
  const std::string eyes = written("eyes.gguf", rwkv::test::vision_encoder_file());
  ASSERT_EQ(rwkvmobile_runtime_load_vision_encoder(handle(), model_.id(), eyes.c_str()), 0);
  EXPECT_EQ(count(picture(1) + picture(2) + "What is it?"), count(picture(1) + "What is it?") + 16);
  model_.chat({picture(1) + "What is it?"}, 8);
  model_.wait();
  EXPECT_NE(rwkv_ext_end_reason(handle(), model_.id(), -1), RWKV_END_ERROR);
  EXPECT_EQ(rwkvmobile_runtime_release_vision_encoder(handle(), model_.id()), 0);
  model_.chat({picture(1) + "What is it?"}, 8);
  EXPECT_THROW(model_.wait(), rwkv_mobile::Error);
  EXPECT_EQ(rwkv_ext_end_reason(handle(), model_.id(), -1), RWKV_END_ERROR);
}

TEST_F(Media, ARecordingIsThePrompt) {
  const std::string ears = written("ears.gguf", rwkv::test::audio_encoder_file());
  const std::string wav = written("a.wav", rwkv::test::wav_tone(440));
  EXPECT_EQ(rwkvmobile_runtime_set_audio_prompt(handle(), model_.id(), wav.c_str()), RWKV_ERROR_UNSUPPORTED);
  ASSERT_EQ(rwkvmobile_runtime_load_whisper_encoder(handle(), model_.id(), ears.c_str()), 0);
  const int before = count("What is it?");
  ASSERT_EQ(rwkvmobile_runtime_set_audio_prompt(handle(), model_.id(), wav.c_str()), 0);
  EXPECT_GT(count("What is it?"), before + 20);
  char prompt[1024];
  EXPECT_GE(rwkvmobile_runtime_get_prompt(handle(), model_.id(), prompt, sizeof prompt), 0);
  EXPECT_EQ(std::string(prompt), "<audio src=\"" + wav + "\">");
  EXPECT_EQ(rwkvmobile_runtime_set_audio_prompt(handle(), model_.id(), "/nowhere.wav"), 264);
  EXPECT_EQ(rwkvmobile_runtime_release_whisper_encoder(handle(), model_.id()), 0);
}

TEST_F(Media, FilesThatAreNoEncodersAre264) {
  const std::string bad = written("bad.gguf", "GGUF");
  const std::string wide = written("wide.gguf", rwkv::test::vision_encoder_file(64));
  for (const char* file : {"/nowhere.gguf", bad.c_str(), wide.c_str()}) {
    EXPECT_EQ(rwkvmobile_runtime_load_vision_encoder(handle(), model_.id(), file), 264) << file;
  }
  EXPECT_EQ(rwkvmobile_runtime_load_vision_encoder_and_adapter(handle(), model_.id(), wide.c_str(), "/nowhere"), 264);
}

}  // namespace
