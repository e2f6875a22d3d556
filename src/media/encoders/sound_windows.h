// Recordings in pieces that an encoder takes.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

namespace rwkv::media {

/// Cuts samples of `rate` a second into windows of at most `window` samples, one after the other without overlap. One
/// that fits is not cut; else a window ends in the middle of the quietest 20 ms (the first of equals) of its last 2
/// seconds, or of its last half where it is shorter than 4. `window` is above 0.
std::vector<std::span<const float>> cut_into_windows(std::span<const float> samples, std::size_t window,
                                                     std::size_t rate);

}  // namespace rwkv::media
