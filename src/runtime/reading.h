// Where a text is cut when a model reads it: pieces, and places whose states are worth remembering.
#pragma once

#include <array>
#include <cstddef>
#include <span>
#include <vector>

namespace rwkv {

/// How many of `left` tokens to read next when `wanted` would be right: never fewer than `stable` and never so that
/// fewer than that remain, unless `left` itself is less. 0 for 0.
std::size_t piece_of(std::size_t left, std::size_t wanted, std::size_t stable) noexcept;

/// Whether the state after `position` of `total` tokens can be begun with: what was read before it and what remains can
/// both be cut into pieces of `stable` tokens or more.
bool can_begin_at(std::size_t position, std::size_t total, std::size_t stable) noexcept;

/// The places between `begin` and `end` (numbers of tokens, ascending, both excluded) after which the state is to be
/// remembered: the ends of turns, where not many of them lie close together, and one in some hundred tokens of what has
/// no turns. Each is at least `stable` tokens from the others and from both ends.
std::vector<std::size_t> places_to_remember(std::size_t begin, std::size_t end, std::span<const std::size_t> turn_ends,
                                            std::size_t stable);

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
