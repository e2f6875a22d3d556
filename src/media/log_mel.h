// Sound as Whisper's encoder takes it.
#pragma once

#include <span>
#include <vector>

namespace rwkv {

constexpr int kMelRate = 16'000;  // samples a second
constexpr int kMelWindow = 400;   // samples of a frame
constexpr int kMelHop = 160;      // samples from a frame to the next
constexpr int kMelBins = kMelWindow / 2 + 1;

/// How much of each frequency belongs to each band.
struct MelFilters {
  int bands = 0;
  std::vector<float> weights;  // bands x kMelBins
};

/// Slaney's: triangles of equal area, linear in frequency up to 1 kHz and logarithmic from there to 8 kHz. For files
/// that carry none; 80 and 128 bands are in use.
MelFilters slaney_filters(int bands);

/// bands x frames, row-major, equal to HF's WhisperFeatureExtractor: `samples` (16 kHz) and silence up to frames *
/// kMelHop, frames centred with the sound mirrored at both ends, periodic Hann window, power, log10 of at least 1e-10,
/// nothing more than 8 below the highest, (x + 4) / 4. Throws Error(kInvalidArgument) where there are more samples than
/// frames, fewer than two frames, or filters of another size.
std::vector<float> log_mel(std::span<const float> samples, const MelFilters& filters, int frames);

}  // namespace rwkv
