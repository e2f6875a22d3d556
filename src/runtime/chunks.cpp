#include "runtime/chunks.h"

#include <algorithm>
#include <bit>
#include <iterator>

namespace rwkv {
namespace {

constexpr std::size_t kFirstChunk = 32;     // before anything is known
constexpr std::size_t kTurnSpacing = 32;    // turn ends closer together than this share a checkpoint
constexpr std::size_t kPlainSpacing = 512;  // checkpoints of a text without turns
constexpr std::size_t kLastTurns = 2;       // kept whatever the spacing: they are edited and regenerated most

// What lies between two borders, as far as it belongs to a text.
struct Segment {
  std::size_t begin = 0;
  std::size_t end = 0;
};

// The one that goes on from `position` in a text of `total` tokens.
Segment segment_at(std::size_t position, std::size_t total, StableCut cut) noexcept {
  const auto next = std::upper_bound(cut.borders.begin(), cut.borders.end(), position);
  return {next == cut.borders.begin() ? 0 : *std::prev(next),
          next == cut.borders.end() ? total : std::min(*next, total)};
}

std::size_t floor_to_grid(std::size_t position, std::size_t origin, StableCut cut) noexcept {
  return position - (position - origin) % cut.grid;
}

bool is_border(std::size_t position, StableCut cut) noexcept {
  return std::binary_search(cut.borders.begin(), cut.borders.end(), position);
}

// Checkpoints after `begin` and before the end of the segment that goes on from there.
void add_checkpoints(std::size_t begin, Segment segment, std::span<const std::size_t> turn_ends, StableCut cut,
                     std::vector<std::size_t>& checkpoints) {
  const std::size_t end = segment.end;
  if (end < begin + 2 * cut.chunk) return;
  std::size_t last = begin;
  const auto fill_to = [&](std::size_t checkpoint) {
    while (checkpoint > last + kPlainSpacing + cut.chunk) {
      last = floor_to_grid(last + kPlainSpacing, segment.begin, cut);
      checkpoints.push_back(last);
    }
  };
  const std::size_t latest = floor_to_grid(end - cut.chunk, segment.begin, cut);
  for (std::size_t i = 0; i < turn_ends.size() && turn_ends[i] <= end; ++i) {
    if (turn_ends[i] <= begin || is_border(turn_ends[i], cut)) continue;
    const std::size_t checkpoint = std::min(floor_to_grid(turn_ends[i], segment.begin, cut), latest);
    if (checkpoint <= begin) continue;
    fill_to(checkpoint);
    const std::size_t spacing = turn_ends.size() - i <= kLastTurns ? 1 : kTurnSpacing;
    if (checkpoint >= last + std::max(spacing, cut.chunk)) checkpoints.push_back(last = checkpoint);
  }
  fill_to(end);
}

}  // namespace

std::size_t stable_position_before(std::size_t position, StableCut cut) noexcept {
  const std::size_t begin = segment_at(position, position, cut).begin;
  const std::size_t checkpoint = floor_to_grid(position, begin, cut);
  return checkpoint < begin + cut.chunk ? begin : checkpoint;
}

std::size_t chunk_of(std::size_t done, std::size_t end, std::size_t wanted, StableCut cut) noexcept {
  const Segment segment = segment_at(done, end, cut);
  const std::size_t left = segment.end - done;
  if (left <= std::max(wanted, cut.chunk)) return left;
  // The last border that is not too late, or else the first one there is.
  std::size_t border =
      floor_to_grid(done + std::min(std::max(wanted, cut.chunk), left - cut.chunk), segment.begin, cut);
  if (border < done + cut.chunk) border += cut.grid;
  return border >= done + cut.chunk && border + cut.chunk <= segment.end ? border - done : left;
}

bool can_begin_at(std::size_t position, std::size_t total, StableCut cut) noexcept {
  if (position == 0 || position == total) return true;
  if (position > total) return false;
  if (is_border(position, cut)) return true;
  const Segment segment = segment_at(position, total, cut);
  return floor_to_grid(position, segment.begin, cut) == position && position - segment.begin >= cut.chunk &&
         segment.end - position >= cut.chunk;
}

std::vector<std::size_t> choose_checkpoints(std::size_t begin, std::size_t end, std::span<const std::size_t> turn_ends,
                                            StableCut cut) {
  std::vector<std::size_t> checkpoints;
  while (begin < end) {
    const Segment segment = segment_at(begin, end, cut);
    add_checkpoints(begin, segment, turn_ends, cut, checkpoints);
    begin = segment.end;
    const bool is_kept = std::binary_search(turn_ends.begin(), turn_ends.end(), begin);
    if (begin < end && is_kept) checkpoints.push_back(begin);
  }
  return checkpoints;
}

std::size_t choose_join(std::size_t shared, const PrefillSoFar& text, const PrefillSoFar& other) noexcept {
  const std::size_t chunk = text.cut.chunk;
  const auto before = [&](std::size_t checkpoint) {
    return stable_position_before(checkpoint > chunk ? checkpoint - chunk : 0, text.cut);
  };
  shared = std::min({shared, text.end, other.end});
  if (!can_begin_at(shared, text.end, text.cut)) {
    shared = std::min(stable_position_before(shared, text.cut), before(text.end));
  }
  // Not so near to a stop of the other that what lies between would be too small.
  const auto settle_at = [&](std::size_t checkpoint) {
    if (checkpoint <= shared && shared - checkpoint < chunk) shared = checkpoint;
    if (checkpoint > shared && checkpoint - shared < chunk) shared = before(checkpoint);
  };
  settle_at(other.end);
  std::for_each(other.checkpoints.rbegin(), other.checkpoints.rend(), settle_at);
  const bool is_fit = shared >= other.done + chunk && can_begin_at(shared, text.end, text.cut) &&
                      can_begin_at(shared, other.end, other.cut);
  return is_fit ? shared : 0;
}

std::size_t ChunkSize::tokens_in(double seconds) const noexcept {
  std::size_t smallest = seconds_.size();
  std::size_t fitting = seconds_.size();
  for (std::size_t k = 0; k < seconds_.size(); ++k) {
    if (seconds_[k] <= 0) continue;
    smallest = std::min(smallest, k);
    if (seconds_[k] <= seconds) fitting = k;
  }
  if (smallest == seconds_.size()) return kFirstChunk;
  const auto tokens_at = [&](std::size_t k) {
    return seconds / seconds_[k] * static_cast<double>(std::size_t{1} << k);
  };
  // Never more than twice what is known to fit; and where nothing is, half of what the speed of larger chunks promises.
  const double tokens = fitting < seconds_.size()
                            ? std::min(tokens_at(fitting), 2.0 * static_cast<double>(std::size_t{1} << fitting))
                            : 0.5 * tokens_at(smallest);
  return std::max<std::size_t>(static_cast<std::size_t>(tokens), 1);
}

bool ChunkSize::is_known() const noexcept {
  return std::any_of(seconds_.begin(), seconds_.end(), [](double seconds) { return seconds > 0; });
}

void ChunkSize::measured(std::size_t tokens, double seconds) noexcept {
  if (tokens == 0 || seconds <= 0) return;
  const std::size_t k =
      std::min<std::size_t>(static_cast<std::size_t>(std::bit_width(tokens)) - 1, seconds_.size() - 1);
  const double whole = seconds * static_cast<double>(std::size_t{1} << k) / static_cast<double>(tokens);
  seconds_[k] = seconds_[k] > 0 ? seconds_[k] + 0.3 * (whole - seconds_[k]) : whole;
}

}  // namespace rwkv
