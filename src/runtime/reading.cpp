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

std::size_t piece_of(std::size_t done, std::size_t end, std::size_t wanted, StableCut cut) noexcept {
  const std::size_t left = end - done;
  if (left <= std::max(wanted, cut.piece)) return left;
  // The last border that is not too late, or else the first one there is.
  std::size_t border = done + std::min(std::max(wanted, cut.piece), left - cut.piece);
  border -= border % cut.grid;
  if (border < done + cut.piece) border += cut.grid;
  return border >= done + cut.piece && border + cut.piece <= end ? border - done : left;
}

bool can_begin_at(std::size_t position, std::size_t total, StableCut cut) noexcept {
  if (position == 0 || position == total) return true;
  return position <= total && position % cut.grid == 0 && position >= cut.piece && total - position >= cut.piece;
}

std::vector<std::size_t> places_to_remember(std::size_t begin, std::size_t end, std::span<const std::size_t> turn_ends,
                                            StableCut cut) {
  std::vector<std::size_t> places;
  std::size_t last = begin;
  const auto fill_to = [&](std::size_t place) {
    while (place > last + kPlainSpacing + cut.piece) {
      last += kPlainSpacing;
      last -= last % cut.grid;
      places.push_back(last);
    }
  };
  if (end < begin + 2 * cut.piece) return places;
  const std::size_t latest = (end - cut.piece) - (end - cut.piece) % cut.grid;
  for (std::size_t i = 0; i < turn_ends.size() && turn_ends[i] <= end; ++i) {
    const std::size_t place = std::min(turn_ends[i] - turn_ends[i] % cut.grid, latest);
    if (place <= begin) continue;
    fill_to(place);
    const std::size_t spacing = turn_ends.size() - i <= kLastTurns ? 1 : kTurnSpacing;
    if (place >= last + std::max(spacing, cut.piece)) places.push_back(last = place);
  }
  fill_to(end);
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
