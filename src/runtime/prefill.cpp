#include "runtime/prefill.h"

#include <algorithm>
#include <utility>

#include "base/error_of.h"

namespace rwkv {
namespace {

// Chunks between two steps of decode take as long as a step, within these bounds (seconds).
constexpr double kShortestTurn = 0.04;
constexpr double kLongestTurn = 0.08;
// The only task's chunks are as large as still makes a difference.
constexpr double kLoneTurn = 0.25;
constexpr std::size_t kSmallestLoneChunk = 32;
constexpr std::size_t kLargestChunk = 512;
// Beginnings shorter than this are not worth waiting for.
constexpr std::size_t kSharedTokens = 16;

std::size_t common_prefix(const Tokens& a, const Tokens& b) {
  const std::size_t shorter = std::min(a.size(), b.size());
  const auto end = std::mismatch(a.begin(), a.begin() + static_cast<std::ptrdiff_t>(shorter), b.begin());
  return static_cast<std::size_t>(end.first - a.begin());
}

void insert(std::vector<std::size_t>& checkpoints, std::size_t position) {
  const auto at = std::lower_bound(checkpoints.begin(), checkpoints.end(), position);
  if (at == checkpoints.end() || *at != position) checkpoints.insert(at, position);
}

std::span<const TokenId> body_of(const ScheduledTask& one) { return std::span(one.task->text()).first(one.end); }

std::vector<std::size_t> checkpoints_of(const ScheduledTask& one) {
  return choose_checkpoints(one.done, one.end, one.task->turn_ends(), one.cut);
}

PrefillSoFar so_far(const ScheduledTask& one) { return {one.done, one.end, one.checkpoints, one.cut}; }

bool follows(const ScheduledTask& one, const ScheduledTask& other) {
  for (const ScheduledTask* at = one.leader; at != nullptr; at = at->leader) {
    if (at == &other) return true;
  }
  return false;
}

void end_with(ScheduledTask& one, State state) {
  one.report.state = std::move(state);
  one.finish(std::nullopt);
}

}  // namespace

void Prefill::begin(ScheduledTask& one, std::list<ScheduledTask>& running) {
  const SequenceTask& task = *one.task;
  one.sequence = evaluator_.create_sequence();
  one.begun = evaluator_.now();
  one.end = task.text().size() - (task.continues() ? 1 : 0);
  one.borders = media_borders(task.media());
  one.cut = evaluator_.cut(one.borders);
  State known = task.start();
  one.origin = static_cast<std::size_t>(known.position());
  if (task.uses_cache() && one.origin < one.end) {
    State cached = cache_.longest_prefix(body_of(one), one.cut);
    if (cached.position() > known.position()) known = std::move(cached);
  }
  // Callers encode beforehand what they do not find in the cache; what was dropped from it since is encoded here.
  encode_after(task.media(), static_cast<std::size_t>(known.position()), task.cancel());
  one.sequence->restore(known);
  one.done = one.report.cached_tokens = static_cast<std::size_t>(known.position());
  one.checkpoints = checkpoints_of(one);
  if (task.uses_cache()) adopt_sequels(one);
  if (one.done > 0) one.count(one.done, speeds_);
  if (one.is_in_prefill()) {
    find_leader(one, running);
  } else if (!task.continues()) {
    end_with(one, one.sequence->save());
  }
}

// The next turn has come before its sequel was prefilled. What that would have evaluated counts as known, so that a
// turn costs its own tokens however soon it comes.
void Prefill::adopt_sequels(ScheduledTask& one) {
  const std::size_t chunk = one.cut.chunk;
  for (const std::size_t size : sequels_.take(body_of(one), one.done)) {
    if (size < one.done + chunk || !can_begin_at(size, one.end, one.cut)) continue;
    one.report.cached_tokens = std::max(one.report.cached_tokens, size);
    std::erase_if(one.checkpoints, [&](std::size_t position) {
      return position != size && (position > size ? position - size : size - position) < chunk;
    });
    if (size < one.end) insert(one.checkpoints, size);
  }
}

void Prefill::find_leader(ScheduledTask& one, std::list<ScheduledTask>& running) {
  one.leader = nullptr;
  std::size_t best = one.done + kSharedTokens;
  ScheduledTask* leader = nullptr;
  for (ScheduledTask& other : running) {
    if (&other == &one || !other.is_in_prefill() || other.task->uses_cache() != one.task->uses_cache()) continue;
    // A task that wants logits evaluates those tokens itself.
    const std::size_t alike = std::min(common_prefix(other.task->text(), one.task->text()), one.task->scores_from());
    const std::size_t shared = choose_join(alike, so_far(one), so_far(other));
    if (shared <= best || follows(other, one)) continue;
    best = shared;
    leader = &other;
  }
  if (leader == nullptr) return;
  if (best < leader->end) insert(leader->checkpoints, best);
  one.leader = leader;
  one.join_at = best;
}

void Prefill::free_followers(const ScheduledTask& leader, std::list<ScheduledTask>& running) noexcept {
  for (ScheduledTask& one : running) {
    // Without memory for that it prefills its text itself.
    if (one.leader == &leader) static_cast<void>(error_of([&] { find_leader(one, running); }));
  }
}

bool Prefill::run(std::list<ScheduledTask>& running, double step_seconds, bool is_alone) {
  // Another model that wants the cores waits no longer than a neighbour on this one.
  const bool is_lone = is_alone && !evaluator_.cores().is_crowded();
  const double turn = std::clamp(step_seconds, kShortestTurn, kLongestTurn);
  const Evaluator::Time start = evaluator_.now();
  for (bool any = false;; any = true) {
    const auto next = std::find_if(running.begin(), running.end(), [](const ScheduledTask& one) {
      return one.is_in_prefill() && one.leader == nullptr;
    });
    if (next == running.end()) return any;
    const double left = turn - evaluator_.seconds_since(start);
    if (any && left < turn / 4) return true;
    running.splice(running.end(), running, next);  // the last one to have another turn
    if (!run_chunk(*next, running, is_lone ? kLoneTurn : left) || is_lone) return true;
  }
}

// About as much as the time allows. False: a task is over, or something else goes first.
bool Prefill::run_chunk(ScheduledTask& one, std::list<ScheduledTask>& running, double seconds) {
  const ChunkSize& speed = evaluator_.chunk_size();
  std::size_t wanted = std::min(speed.tokens_in(seconds), kLargestChunk);
  if (seconds >= kLoneTurn) wanted = std::max(wanted, speed.is_known() ? kSmallestLoneChunk : kLargestChunk / 2);
  bool is_evaluated = false;
  const auto error = error_of([&] {
    SequenceTask& task = *one.task;
    const std::size_t size = next_size(one, wanted);
    EvalItem chunk = item_of(task.text(), task.media(), one.done, size);
    chunk.sequence = one.sequence.get();
    chunk.wants = one.done < task.scores_from() ? Output::kNone : size > 1 ? Output::kAllLogits : Output::kLastLogits;
    const Evaluator::Time start = evaluator_.now();
    is_evaluated = evaluator_.evaluate(std::span(&chunk, 1), task.cancel());
    if (!is_evaluated) return;
    if (task.is_measured()) speeds_.add_prefill(size, evaluator_.seconds_since(start));
    one.done += size;
    one.count(size, speeds_);
    const auto row = static_cast<std::size_t>(evaluator_.info().vocabulary);
    for (std::size_t at = 0; at < chunk.output.size(); at += row) task.scored(chunk.output.subspan(at, row));
    if (one.done == one.end || (!one.checkpoints.empty() && one.done == one.checkpoints.front())) reached(one, running);
  });
  if (error) one.finish(error);
  return is_evaluated && std::none_of(running.begin(), running.end(), [](const ScheduledTask& r) { return r.is_over; });
}

// About `wanted` tokens, up to the next checkpoint. What is wanted with logits begins with a chunk of its own.
std::size_t Prefill::next_size(const ScheduledTask& one, std::size_t wanted) const {
  const std::size_t stop = one.checkpoints.empty() ? one.end : one.checkpoints.front();
  const std::size_t scored = one.task->scores_from();
  if (one.done < scored) return chunk_of(one.done, std::min(stop, scored), wanted, one.cut);
  const auto rows = static_cast<std::size_t>(std::max(evaluator_.info().logit_rows, 1));
  return std::min({stop - one.done, rows, wanted});
}

// A checkpoint, or the end of prefill.
void Prefill::reached(ScheduledTask& one, std::list<ScheduledTask>& running) {
  if (!one.checkpoints.empty()) one.checkpoints.erase(one.checkpoints.begin());
  const auto joins = [&](const ScheduledTask& other) { return other.leader == &one && other.join_at == one.done; };
  const bool is_end = one.done == one.end;
  const bool ends = is_end && !one.task->continues();
  const bool is_kept = one.task->uses_cache();
  State state;
  if (is_kept || ends || std::any_of(running.begin(), running.end(), joins)) state = one.sequence->save();
  // After an initial state the first chunk may be too small to be stable.
  if (is_kept && one.done >= one.origin + (one.origin > 0 ? one.cut.chunk : 0)) {
    cache_.insert(body_of(one).first(one.done), state);
    // Other questions about a picture find it in the next process too, where nothing is encoded anew.
    if (ends_media(one.task->media(), one.done)) cache_.keep_on_disk(body_of(one).first(one.done));
  }
  for (ScheduledTask& other : running) {
    if (joins(other)) join(other, state, running);
  }
  if (is_end) free_followers(one, running);
  if (ends) end_with(one, std::move(state));
}

// A follower goes on with its leader's state.
void Prefill::join(ScheduledTask& one, const State& state, std::list<ScheduledTask>& running) {
  one.leader = nullptr;
  one.sequence->restore(state);
  const std::size_t jump = one.join_at - one.done;
  one.done = one.join_at;
  one.report.cached_tokens = std::max(one.report.cached_tokens, one.done);
  one.checkpoints = checkpoints_of(one);
  one.count(jump, speeds_);
  free_followers(one, running);  // it has passed over where they were to join
  if (!one.is_in_prefill() && !one.task->continues()) end_with(one, state);
}

}  // namespace rwkv
