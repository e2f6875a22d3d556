// Where a text is cut when a model reads it: pieces, and places whose states are worth remembering.
#pragma once

#include <array>
#include <cstddef>
#include <span>
#include <vector>

namespace rwkv {

/// How a text may be cut so that its states do not depend on it, see ModelInfo. Where media begin and end it has to be
/// cut; between two such places it is cut as a text of its own would be.
struct StableCut {
  std::size_t piece = 1;  // every piece has at least so many tokens, unless it is all there is between two borders
  std::size_t grid = 1;   // every piece begins so many times this after the last border
  std::span<const std::size_t> borders = {};  // ascending
};

/// The last place at or before `position` whose state texts that go on from there can begin with.
std::size_t stable_place_before(std::size_t position, StableCut cut) noexcept;

/// How many tokens to read next, from `done` on towards `end`, when `wanted` would be right: a piece that is stable and
/// leaves a stable rest, or all of it.
std::size_t piece_of(std::size_t done, std::size_t end, std::size_t wanted, StableCut cut) noexcept;

/// Whether the state after `position` of `total` tokens can be begun with: what was read before it and what remains can
/// both be cut into stable pieces.
bool can_begin_at(std::size_t position, std::size_t total, StableCut cut) noexcept;

/// The places between `begin` and `end` (numbers of tokens, ascending, both excluded) after which the state is to be
/// remembered: the ends of media and of turns, or where the cut allows it before them, unless many of them lie close
/// together, and one in some hundred tokens of what has no turns. What lies between them and both ends is stable.
std::vector<std::size_t> places_to_remember(std::size_t begin, std::size_t end, std::span<const std::size_t> turn_ends,
                                            StableCut cut);

/// A text that is being read.
struct ReadSoFar {
  std::size_t done = 0;
  std::size_t end = 0;
  std::span<const std::size_t> places = {};  // where it is going to stop, ascending
  StableCut cut = {};
};

/// How far one text can leave its reading to another that begins with the same `shared` tokens, so that both can be cut
/// there; 0 where that is not farther than the other has come.
std::size_t choose_join(std::size_t shared, const ReadSoFar& text, const ReadSoFar& other) noexcept;

/// Finds out how many tokens are read in a given time.
class PieceSize {
 public:
  /// Tokens that take about `seconds`; 1 or more.
  std::size_t tokens_in(double seconds) const noexcept;
  bool is_known() const noexcept;
  void measured(std::size_t tokens, double seconds) noexcept;

 private:
  // Reading n tokens takes about as long as the weights need plus n times something, so small pieces have a speed of
  // their own. [k]: the time of 2^k tokens, from pieces of that many up to twice as many; 0: not known.
  std::array<double, 12> seconds_{};
};

}  // namespace rwkv
