#include "media/encoders/sound_windows.h"

#include <algorithm>

namespace rwkv::media {
namespace {

// Where the window at the beginning of `samples` ends.
std::size_t quietest_end(std::span<const float> samples, std::size_t window, std::size_t rate) {
  const std::size_t quiet = std::max<std::size_t>(2, rate / 50);
  const std::size_t step = quiet / 2;
  const std::size_t begin = window - std::min(2 * rate, window / 2);
  std::size_t end = window;
  double least = 0;
  for (std::size_t at = begin; at + quiet <= window; at += step) {
    double energy = 0;
    for (const float sample : samples.subspan(at, quiet)) energy += static_cast<double>(sample) * sample;
    if (at > begin && energy >= least) continue;
    least = energy;
    end = at + step;
  }
  return end;
}

}  // namespace

std::vector<std::span<const float>> cut_into_windows(std::span<const float> samples, std::size_t window,
                                                     std::size_t rate) {
  std::vector<std::span<const float>> windows;
  while (samples.size() > window) {
    const std::size_t end = quietest_end(samples, window, rate);
    windows.push_back(samples.first(end));
    samples = samples.subspan(end);
  }
  windows.push_back(samples);
  return windows;
}

}  // namespace rwkv::media
