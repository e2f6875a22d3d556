// Sound against libsndfile and soxr (tools/reference/sounds.py).
#include "media/sound.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <numbers>

#include "media/media_file.h"
#include "media/wav_writer.h"
#include "support/refusal.h"

namespace rwkv {
namespace {

using test::bytes_of;
using test::expect_words;
using test::media_file;
using test::refusal;
using test::Wav;

TEST(Sound, EachKindHasTheSamplesThatLibsndfileReads) {
  int sounds = 0;
  for (const auto& expected : test::media_json("sounds/sounds.json")) {
    const std::string name = expected["file"];
    SCOPED_TRACE(name);
    const std::string file = media_file("sounds/" + name);
    const Sound sound = decode_sound(bytes_of(file), name, expected["rate"]);
    EXPECT_EQ(sound.rate, expected["rate"].get<int>());
    ASSERT_EQ(sound.samples.size(), expected["samples"].size());
    for (std::size_t i = 0; i < sound.samples.size(); ++i) {
      ASSERT_NEAR(sound.samples[i], expected["samples"][i].get<double>(), expected["tolerance"].get<double>()) << i;
    }
    ++sounds;
  }
  EXPECT_EQ(sounds, 14);
}

std::vector<float> decoded(const std::string& file, int rate = 16000, SoundMix mix = SoundMix::kMean) {
  return decode_sound(bytes_of(file), "sound", rate, mix).samples;
}

const std::string kFour("\0\0\0\x40\0\xC0\0\x20", 8);  // 0, 0.5, -0.5 and 0.25 in 16 bits
const std::vector<float> kFourSamples{0, 0.5f, -0.5f, 0.25f};

TEST(Sound, AWavIsReadWhateverItsChunksAndSizesSay) {
  const Wav wav{.data = kFour};
  EXPECT_EQ(decoded(wav.file()), kFourSamples);
  const std::string junk = test::chunk("JUNK", std::string(28, '\0'));
  const std::string odd = test::chunk("LIST", "three");
  for (const std::string& file : {
           test::riff(junk + odd + wav.format() + odd + wav.samples()),
           test::riff(wav.format() + wav.samples() + odd),
           test::riff(wav.samples() + wav.format()),
           "BW64\xFF\xFF\xFF\xFFWAVE" +
               test::chunk("ds64", std::string(8, '\0') + std::string("\x08\0\0\0\0\0\0\0", 8)) + wav.format() +
               "data\xFF\xFF\xFF\xFF" + kFour + odd,
       }) {
    EXPECT_EQ(decoded(file), kFourSamples);
  }
  for (const std::string& size :
       {std::string(4, '\0'), std::string(4, '\xFF'), std::string("\xFF\xFF\xFF\x7F"), std::string("\x09\0\0\0", 4)}) {
    EXPECT_EQ(decoded("RIFF" + size + "WAVE" + wav.format() + "data" + size + kFour), kFourSamples);
  }
  EXPECT_EQ(decoded(test::riff(wav.format() + test::chunk("data", kFour + "x"))), kFourSamples) << "part of a frame";
}

TEST(Sound, FewerBitsThanTheirBytesLieAtTheTop) {
  const std::string values("\0\0\0\0\x99\0\0\x40\0\0\0\xC0", 12);  // the lowest byte is not part of 24 bits, and small
  for (const int bits : {24, 20, 32}) {
    const auto samples = decoded(Wav{.bits = bits, .frame_bytes = 4, .data = values}.file());
    ASSERT_EQ(samples.size(), 3u);
    EXPECT_NEAR(samples[1], 0.5, 1e-6);
    EXPECT_EQ(samples[2], -0.5f);
  }
  EXPECT_EQ(decoded(Wav{.bits = 64, .frame_bytes = 8, .data = std::string(7, '\0') + '\x40'}.file()),
            std::vector{0.5f});
  EXPECT_EQ(decoded(Wav{.bits = 24, .frame_bytes = 0, .data = std::string("\0\0\x40", 3)}.file()), std::vector{0.5f})
      << "a frame without bytes";
}

TEST(Sound, ChannelsBecomeOneByMeanOrByTheFirst) {
  const Wav wav{.channels = 2, .frame_bytes = 4, .data = kFour};
  EXPECT_EQ(decoded(wav.file()), (std::vector<float>{0.25f, -0.125f}));
  EXPECT_EQ(decoded(wav.file(), 16000, SoundMix::kFirst), (std::vector<float>{0, -0.5f}));
  const Wav first_silent{.channels = 2, .frame_bytes = 4, .data = std::string("\0\0\0\x40\0\0\0\x20", 8)};
  EXPECT_EQ(decoded(first_silent.file(), 16000, SoundMix::kFirst), (std::vector<float>{0.25f, 0.125f}));
}

TEST(Sound, WhatIsNotReadIsNamedWithAdvice) {
  const std::pair<std::string, std::vector<std::string>> cases[] = {
      {std::string("\0\0\0\x18"
                   "ftypM4A \0\0\0\0M4A mp42",
                   24),
       {"M4A", "WAV, FLAC or MP3"}},
      {"OggS and so on", {"Ogg", "Opus"}},
      {"#!AMR\n", {"AMR"}},
      {"\xFF\xF1\x50\x80", {"AAC"}},
      {"FORM....AIFF", {"AIFF"}},
      {Wav{.coding = 17, .bits = 4, .frame_bytes = 256, .data = kFour}.file(), {"format 17", "PCM of 16 bits"}},
      {Wav{.coding = 3, .bits = 16, .data = kFour}.file(), {"format 3", "16 bits"}},
      {Wav{.rate = 3999, .data = kFour}.file(), {"3999", "4000"}},
      {Wav{.rate = 400000, .data = kFour}.file(), {"400000", "384000"}},
      {Wav{.channels = 33, .frame_bytes = 66, .data = std::string(66, 'x')}.file(), {"33 channels", "32"}},
  };
  for (const auto& [file, words] : cases) {
    const std::string said =
        refusal(ErrorCode::kUnsupported, [&, &bytes = file] { decode_sound(bytes_of(bytes), "memo", 16000); });
    expect_words(said, words);
    expect_words(said, {"'memo'"});
  }
  for (const std::string nothing : {"", "hello, I am a text", "RIFF....WEBPVP8 "}) {
    expect_words(refusal(ErrorCode::kBadFile, [&] { decoded(nothing); }), {"no sound of a kind", "MP3"});
  }
}

TEST(Sound, NothingRecordedIsSaid) {
  expect_words(refusal(ErrorCode::kBadFile, [] { decoded(Wav{}.file()); }), {"no sound in it"});
  const std::string nan("\0\0\xC0\x7F", 4);
  expect_words(refusal(ErrorCode::kBadFile,
                       [&] { decoded(Wav{.coding = 3, .bits = 32, .frame_bytes = 4, .data = nan}.file()); }),
               {"no numbers"});
}

/// The sound of tools/reference/sounds.py.
std::string burst(int rate) {
  const int count = rate / 5;
  std::string bytes;
  for (int i = 0; i < count; ++i) {
    double sum = 0;
    for (const double f : {220.0, 1000.0, 2500.0, 0.4 * std::min(rate, 16000)}) {
      sum += 0.2 * std::sin(2 * std::numbers::pi * f * i / rate + f);
    }
    const auto value = static_cast<float>(std::pow(std::sin(std::numbers::pi * i / count), 2) * sum);
    char raw[4];
    std::memcpy(raw, &value, 4);
    bytes.append(raw, 4);
  }
  return Wav{.coding = 3, .rate = static_cast<std::uint32_t>(rate), .bits = 32, .frame_bytes = 4, .data = bytes}.file();
}

TEST(Sound, ResampledItIsThatOfSoxr) {
  for (const int rate : {8000, 11025, 22050, 24000, 32000, 44100, 48000, 96000}) {
    const std::string raw = media_file("sounds/resampled_" + std::to_string(rate) + ".f32");
    std::vector<float> expected(raw.size() / 4);
    std::memcpy(expected.data(), raw.data(), raw.size());
    const std::vector<float> samples = decoded(burst(rate));
    ASSERT_EQ(samples.size(), expected.size()) << rate;
    double signal = 0;
    double noise = 0;
    for (std::size_t i = 0; i < samples.size(); ++i) {
      signal += std::pow(expected[i], 2);
      noise += std::pow(samples[i] - expected[i], 2);
    }
    const double ratio = 10 * std::log10(signal / noise);
    // At these two soxr itself is only 77 dB from the tones as they are at 16 kHz; at the others it is 85 to 147.
    EXPECT_GE(ratio, rate == 22050 || rate == 44100 ? 76 : 80) << rate;
    RecordProperty("decibels_" + std::to_string(rate), std::to_string(ratio));
  }
}

}  // namespace
}  // namespace rwkv
