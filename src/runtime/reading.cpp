#include "runtime/reading.h"

#include <algorithm>
#include <bit>

namespace rwkv {
namespace {

constexpr std::size_t kFirstPiece = 32;     // before anything is known
constexpr std::size_t kTurnSpacing = 32;    // turn ends closer together than this share a checkpoint
constexpr std::size_t kPlainSpacing = 512;  // checkpoints of a text without turns
constexpr std::size_t kLastTurns = 2;       // kept whatever the spacing: they are edited and regenerated most

}  // namespace

std::size_t piece_of(std::size_t left, std::size_t wanted, std::size_t stable) noexcept {
  const std::size_t piece = std::max(wanted, stable);
  if (piece >= left) return left;
  if (left - piece >= stable) return piece;
  return left >= 2 * stable ? left - stable : left;
}

bool can_begin_at(std::size_t position, std::size_t total, std::size_t stable) noexcept {
  if (position == 0 || position == total) return true;
  return position <= total && position >= stable && total - position >= stable;
}

std::vector<std::size_t> places_to_remember(std::size_t begin, std::size_t end, std::span<const std::size_t> turn_ends,
                                            std::size_t stable) {
  std::vector<std::size_t> places;
  std::size_t last = begin;
  const auto add = [&](std::size_t place, std::size_t spacing) {
    while (place - last > kPlainSpacing + stable) places.push_back(last += kPlainSpacing);
    if (place - last >= std::max(spacing, stable) && end - place >= stable) places.push_back(last = place);
  };
  for (std::size_t i = 0; i < turn_ends.size(); ++i) {
    if (turn_ends[i] <= begin || turn_ends[i] >= end) continue;
    add(turn_ends[i], turn_ends.size() - i <= kLastTurns ? 1 : kTurnSpacing);
  }
  while (end - last > kPlainSpacing + stable) places.push_back(last += kPlainSpacing);
  return places;
}

std::size_t PieceSize::tokens_in(double seconds) const noexcept {
  std::size_t smallest = seconds_.size();
  std::size_t fitting = seconds_.size();
  for (std::size_t k = 0; k < seconds_.size(); ++k) {
    if (seconds_[k] <= 0) continue;
    smallest = std::min(smallest, k);
    if (seconds_[k] <= seconds) fitting = k;
  }
  if (smallest == seconds_.size()) return kFirstPiece;
  const auto tokens_at = [&](std::size_t k) {
    return seconds / seconds_[k] * static_cast<double>(std::size_t{1} << k);
  };
  // Never more than twice what is known to fit; and where nothing is, half of what the speed of larger pieces promises.
  const double tokens = fitting < seconds_.size()
                            ? std::min(tokens_at(fitting), 2.0 * static_cast<double>(std::size_t{1} << fitting))
                            : 0.5 * tokens_at(smallest);
  return std::max<std::size_t>(static_cast<std::size_t>(tokens), 1);
}

bool PieceSize::is_known() const noexcept {
  return std::any_of(seconds_.begin(), seconds_.end(), [](double seconds) { return seconds > 0; });
}

void PieceSize::measured(std::size_t tokens, double seconds) noexcept {
  if (tokens == 0 || seconds <= 0) return;
  const std::size_t k =
      std::min<std::size_t>(static_cast<std::size_t>(std::bit_width(tokens)) - 1, seconds_.size() - 1);
  const double whole = seconds * static_cast<double>(std::size_t{1} << k) / static_cast<double>(tokens);
  seconds_[k] = seconds_[k] > 0 ? seconds_[k] + 0.3 * (whole - seconds_[k]) : whole;
}

}  // namespace rwkv
