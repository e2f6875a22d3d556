// What no sound may do: take memory or time beyond its length, be read beyond its end, or end the process.
#include <gtest/gtest.h>

#include <string>

#include "media/media_file.h"
#include "media/sound.h"
#include "media/wav_writer.h"
#include "support/hostile.h"
#include "support/refusal.h"

namespace rwkv {
namespace {

using test::bytes_of;
using test::expect_words;
using test::media_file;
using test::refusal;

TEST(HostileSound, EveryCutAndEveryFlippedBitIsRefusedOrRead) {
  for (const char* name : {"u8.wav", "pcm24.wav", "double.wav", "extensible_float.wav", "rf64.wav", "alaw.wav",
                           "flac16.flac", "flac24.flac", "tones.mp3"}) {
    SCOPED_TRACE(name);
    const std::string file = media_file(std::string("sounds/") + name);
    const auto use = [&](std::span<const std::byte> bytes) {
      EXPECT_FALSE(decode_sound(bytes, "s", 16000).samples.empty());
    };
    EXPECT_GT(test::cut_everywhere(file, use).refused, 10);
    test::flip_everywhere(file, 0, std::min<std::size_t>(file.size(), 250), use);
  }
}

TEST(HostileSound, TooLongASoundIsRefusedBeforeItIsDecoded) {
  // Ten hours of FLAC of which the file has only the header: 16 kHz, one channel, 8 bits, 576,000,000 frames.
  const std::string stream_info("\x10\0\x10\0\0\0\0\0\0\0\x03\xE8\0\x70\x22\x55\x10\0", 18);
  const std::string ten_hours = "fLaC" + std::string("\x80\0\0\x22", 4) + stream_info + std::string(16, '\0');
  const std::string minutes =
      test::Wav{.rate = 4000, .bits = 8, .frame_bytes = 1, .data = std::string(61 * 60 * 4000, '\x80')}.file();
  for (const auto& [file, length] : {std::pair{ten_hours, "600 minutes"}, {minutes, "61 minutes"}}) {
    const std::string said =
        refusal(ErrorCode::kUnsupported, [&, &bytes = file] { decode_sound(bytes_of(bytes), "lecture", 16000); });
    expect_words(said, {"'lecture'", length, "up to 60", "cut it into parts"});
  }
}

TEST(HostileSound, ManyChannelsAtTheHighestRateBecomeAFewSamples) {
  const test::Wav wav{
      .channels = 32, .rate = 384'000, .bits = 8, .frame_bytes = 32, .data = std::string(384'000 / 4 * 32, '\x80')};
  EXPECT_EQ(decode_sound(bytes_of(wav.file()), "s", 16000).samples.size(), 4'000u);
}

TEST(HostileSound, RatesWithoutCommonDivisorAreResampled) {
  for (const std::uint32_t rate : {4001u, 15999u, 16001u, 44101u, 383'987u}) {
    const test::Wav wav{.rate = rate, .data = std::string(2000, '\x10')};
    const auto samples = decode_sound(bytes_of(wav.file()), "s", 16000).samples;
    EXPECT_EQ(samples.size(), (1000ull * 16000 + rate - 1) / rate);
    if (samples.size() < 200) continue;  // all of it near an end
    EXPECT_NEAR(samples[samples.size() / 2], 0x1010 / 32768.0, 1e-4) << rate;
  }
}

}  // namespace
}  // namespace rwkv
