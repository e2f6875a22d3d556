// Where the prefill of a text is cut: chunks, and checkpoints, after which the state is worth remembering.
#pragma once

#include <array>
#include <cstddef>
#include <span>
#include <vector>

namespace rwkv {

/// How a text may be cut so that its states do not depend on it, see ModelInfo. Where media begin and end it has to be
/// cut; between two such borders it is cut as a text of its own would be.
struct StableCut {
  std::size_t chunk = 1;  // every chunk has at least so many tokens, unless it is all there is between two borders
  std::size_t grid = 1;   // every chunk begins so many times this after the last border
  std::span<const std::size_t> borders = {};  // ascending
};

/// The last position at or before `position` whose state the prefill of a longer text can begin with.
std::size_t stable_position_before(std::size_t position, StableCut cut) noexcept;

/// How many tokens to evaluate next, from `done` on towards `end`, when `wanted` would be right: a chunk that is stable
/// and leaves a stable rest, or all of it.
std::size_t chunk_of(std::size_t done, std::size_t end, std::size_t wanted, StableCut cut) noexcept;

/// Whether prefill can begin with the state after `position` of `total` tokens: the text before it and the rest can
/// both be cut into stable chunks.
bool can_begin_at(std::size_t position, std::size_t total, StableCut cut) noexcept;

/// The checkpoints between `begin` and `end` (numbers of tokens, ascending, both excluded): the ends of media and of
/// turns, or where the cut allows it before them, unless many of them lie close together, and one in some hundred
/// tokens of text without turns. The text between neighbours, and between them and both ends, is stable.
std::vector<std::size_t> choose_checkpoints(std::size_t begin, std::size_t end, std::span<const std::size_t> turn_ends,
                                            StableCut cut);

/// The prefill of a text.
struct PrefillSoFar {
  std::size_t done = 0;
  std::size_t end = 0;
  std::span<const std::size_t> checkpoints = {};  // where it is going to stop, ascending
  StableCut cut = {};
};

/// How far one text can leave its prefill to another that begins with the same `shared` tokens, so that both can be cut
/// there; 0 where that is not farther than the other has come.
std::size_t choose_join(std::size_t shared, const PrefillSoFar& text, const PrefillSoFar& other) noexcept;

/// Learns how many tokens a chunk may have to take a given time.
class ChunkSize {
 public:
  /// Tokens that take about `seconds`; 1 or more.
  std::size_t tokens_in(double seconds) const noexcept;
  bool is_known() const noexcept;
  void measured(std::size_t tokens, double seconds) noexcept;

 private:
  // A chunk of n tokens takes about as long as the weights need plus n times something, so small chunks have a speed of
  // their own. [k]: the time of 2^k tokens, from chunks of that many up to twice as many; 0: not known.
  std::array<double, 12> seconds_{};
};

}  // namespace rwkv
