// WAV, FLAC and MP3, resampled.
#include "media/sound.h"

#include <cmath>

#include "target.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace rwkv;
  fuzz::refuse_or_parse([&] {
    const Sound sound = decode_sound(fuzz::bytes_of(data, size), "sound", 16000, SoundMix::kFirst);
    fuzz::require(!sound.samples.empty(), "what is read has samples");
    for (const float sample : sound.samples) fuzz::require(std::isfinite(sample), "samples are numbers");
  });
  return 0;
}
