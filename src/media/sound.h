// What is heard, out of the bytes of a file that nobody vouches for.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <vector>

namespace rwkv {

/// Longer sounds are refused: before they are decoded where the header tells, else as soon as they are.
constexpr int kMaxSoundMinutes = 60;

/// How several channels become one.
enum class SoundMix {
  kMean,   // for what is said to a model
  kFirst,  // for the sample of a voice: the first channel, or the mean where that one is silent
};

struct Sound {
  int rate = 0;                // samples a second
  std::vector<float> samples;  // one channel; full scale is -1 to 1, finite
};

/// WAV (PCM of 8 to 64 bits, floats, A-law and mu-law, in RIFF, RF64 and BW64), FLAC and MP3 at any rate from 4 to 384
/// kHz with up to 32 channels, resampled to `rate`. The content decides, not the name. A header that tells no length or
/// too great a one, as pipes and interrupted recorders leave it, means all that is there. `name` stands for the sound
/// in messages. Takes little beyond the result. Throws Error: kBadFile (damaged, empty, or no sound at all),
/// kUnsupported (too long, a kind or a form of it that is not read here, with what to do instead), kOutOfMemory.
Sound decode_sound(std::span<const std::byte> bytes, const std::string& name, int rate, SoundMix mix = SoundMix::kMean);

}  // namespace rwkv
