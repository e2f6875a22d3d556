#include "media/sound.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <memory>

#include "base/error.h"
#include "media/resampler.h"
#include "media/sound_decoder.h"

namespace rwkv {
namespace {

constexpr std::uint32_t kMinRate = 4'000;
constexpr std::uint32_t kMaxChannels = 32;
constexpr std::size_t kPiece = 4096;     // frames decoded at a time
constexpr float kLoudest = 1 << 16;      // of floats; nothing that was recorded comes near
constexpr float kSilence = 1.0f / 4096;  // -72 dB: a channel that never goes beyond it carries nothing

[[noreturn]] void refuse(const std::string& name, const std::string& reason) {
  throw Error(ErrorCode::kUnsupported, "'" + name + "' " + reason, name);
}

/// `frames`: 0 where nobody knows how many there are.
[[noreturn]] void refuse_length(const std::string& name, std::uint64_t frames, std::uint32_t rate) {
  const std::uint64_t minute = std::uint64_t{60} * rate;
  refuse(name, "lasts " +
                   (frames == 0 ? "more than " + std::to_string(kMaxSoundMinutes) : std::to_string(frames / minute)) +
                   " minutes; up to " + std::to_string(kMaxSoundMinutes) + " are read: cut it into parts");
}

std::uint64_t most_frames(std::uint32_t rate) { return std::uint64_t{60} * kMaxSoundMinutes * rate; }

void check(const SoundDecoder::Format& format, const std::string& name) {
  if (format.rate < kMinRate || format.rate > static_cast<std::uint32_t>(kMaxRate) || format.channels < 1 ||
      format.channels > kMaxChannels) {
    refuse(name, "has " + std::to_string(format.channels) + " channels of " + std::to_string(format.rate) +
                     " samples a second; 1 to 32 channels of 4000 to 384000 are read: save it anew with 1 or 2 of "
                     "16000 to 48000");
  }
  if (format.frames > most_frames(format.rate)) refuse_length(name, format.frames, format.rate);
}

/// One channel at the wanted rate; the first one, or the mean.
std::vector<float> read_all(SoundDecoder& decoder, const std::string& name, int rate, bool first_only) {
  const SoundDecoder::Format format = decoder.format();
  check(format, name);
  Resampler resampler(static_cast<int>(format.rate), rate);
  const std::size_t channels = format.channels;
  const std::size_t mixed = first_only ? 1 : channels;
  std::vector<float> frames(kPiece * channels);
  std::vector<float> mono;
  std::vector<float> result;
  for (std::uint64_t taken = 0;;) {
    const std::size_t count = decoder.read(frames) / channels;
    if (count == 0) break;
    taken += count;
    if (taken > most_frames(format.rate)) refuse_length(name, 0, format.rate);
    mono.resize(count);
    for (std::size_t frame = 0; frame < count; ++frame) {
      float sum = 0;
      for (std::size_t channel = 0; channel < mixed; ++channel) sum += frames[frame * channels + channel];
      mono[frame] = sum / static_cast<float>(mixed);
      if (!(std::fabs(mono[frame]) <= kLoudest)) {
        throw Error(ErrorCode::kBadFile,
                    "'" + name + "' has samples that are no numbers or far beyond full scale: the file is damaged",
                    name);
      }
    }
    resampler.push(mono, result);
  }
  resampler.finish(result);
  return result;
}

bool is_silent(const std::vector<float>& samples) {
  return std::all_of(samples.begin(), samples.end(), [](float sample) { return std::fabs(sample) <= kSilence; });
}

}  // namespace

Sound decode_sound(std::span<const std::byte> bytes, const std::string& name, int rate, SoundMix mix) {
  if (rate < 1 || rate > kMaxRate) {
    throw Error(ErrorCode::kInvalidArgument, "sound cannot have " + std::to_string(rate) + " samples a second");
  }
  const auto read = [&](bool first_only) { return read_all(*open_sound(bytes, name), name, rate, first_only); };
  Sound sound{rate, read(mix == SoundMix::kFirst)};
  if (sound.samples.empty()) {
    throw Error(ErrorCode::kBadFile, "'" + name + "' has no sound in it: nothing was recorded, or the file is cut off",
                name);
  }
  if (mix == SoundMix::kFirst && is_silent(sound.samples)) sound.samples = read(false);
  return sound;
}

}  // namespace rwkv
