// How the scheduler reads texts: in chunks, from where an earlier text ended, once for all who begin alike.
#include <algorithm>
#include <utility>

#include "base/error_of.h"
#include "runtime/scheduler.h"

namespace rwkv {
namespace {

using Clock = std::chrono::steady_clock;

// Reading between two steps of those who write takes as long as a step, within these bounds (seconds).
constexpr double kShortestTurn = 0.04;
constexpr double kLongestTurn = 0.08;
// A text with nobody beside it is read in chunks as large as are still worth something.
constexpr double kLoneChunk = 0.25;
constexpr std::size_t kSmallestLoneChunk = 32;
constexpr std::size_t kLargestChunk = 512;
// Beginnings shorter than this are not worth waiting for.
constexpr std::size_t kSharedTokens = 16;
constexpr std::size_t kMostSequels = 64;

double seconds_since(Clock::time_point start) { return std::chrono::duration<double>(Clock::now() - start).count(); }

std::size_t common_prefix(const Tokens& a, const Tokens& b) {
  const std::size_t shorter = std::min(a.size(), b.size());
  const auto end = std::mismatch(a.begin(), a.begin() + static_cast<std::ptrdiff_t>(shorter), b.begin());
  return static_cast<std::size_t>(end.first - a.begin());
}

// `count` tokens of a text from `begin` on, or the rows that stand there.
EvalItem item_of(std::span<const TokenId> text, std::span<const MediaPlace> media, std::size_t begin,
                 std::size_t count) {
  const std::span<const float> rows = media_rows(media, begin, begin + count);
  if (!rows.empty()) return {.embeddings = rows};
  return {.tokens = text.subspan(begin, count)};
}

void insert_checkpoint(std::vector<std::size_t>& checkpoints, std::size_t place) {
  const auto at = std::lower_bound(checkpoints.begin(), checkpoints.end(), place);
  if (at == checkpoints.end() || *at != place) checkpoints.insert(at, place);
}

}  // namespace

// As soon as there are cores for it. False: while it waited something came up that goes first, and nothing was done.
bool Scheduler::evaluate(std::span<EvalItem> items, const CancelToken& cancel) {
  const auto threads = [this] {
    const std::lock_guard lock(model_mutex_);
    return loaded_.model->info().threads;
  };
  const Clock::time_point start = Clock::now();
  const bool has_cores = cores_.acquire(threads(), [this] { return has_something_else_first(); });
  waited_ = seconds_since(start);
  if (!has_cores) return false;
  const auto error = error_of([&] {
    const std::lock_guard lock(model_mutex_);
    loaded_.model->evaluate(items, cancel);
  });
  if (cores_.is_crowded()) {
    const std::lock_guard lock(model_mutex_);
    loaded_.model->yield_cores();
  }
  cores_.release();
  if (error) throw *error;
  return true;
}

// What is worth giving up one's place among those who wait for cores: somebody who has been cancelled, or anything at
// all where only a sequel is to be read.
bool Scheduler::has_something_else_first() const {
  if (!anybody()) return has_news();
  const auto is_cancelled = [](const std::shared_ptr<SequenceTask>& task) { return task->cancel().cancelled(); };
  if (std::any_of(slots_.begin(), slots_.end(), [&](const Slot& s) { return s.task && is_cancelled(s.task); }) ||
      std::any_of(waiting_.begin(), waiting_.end(), is_cancelled)) {
    return true;
  }
  const std::lock_guard lock(mutex_);
  return stopped_ || std::any_of(inbox_.begin(), inbox_.end(), is_cancelled);
}

void Scheduler::progress(Slot& slot, std::size_t tokens) {
  slot.task->prefilled(tokens);
  if (!slot.task->is_measured()) return;
  measured_done_ += tokens;
  speeds_.set_progress(measured_done_, measured_expected_);
}

void Scheduler::start_reading(Slot& slot, Sequence& sequence) {
  const std::span<const TokenId> body = std::span(slot.task->text()).first(slot.body);
  State known = slot.task->start();
  slot.origin = static_cast<std::size_t>(known.position());
  if (slot.task->uses_cache() && slot.origin < slot.body) {
    State cached = cache_.longest_prefix(body, cut(slot));
    if (cached.position() > known.position()) known = std::move(cached);
  }
  sequence.restore(known);
  slot.done = static_cast<std::size_t>(known.position());
  slot.checkpoints = choose_checkpoints(slot.done, slot.body, slot.task->turn_ends(), cut(slot));
  if (slot.task->uses_cache()) adopt_sequel(slot);
  slot.report.cached_tokens = std::max(slot.done, slot.credit);
  if (slot.done > 0) progress(slot, slot.done);
}

// A text that was to be read when there is time: its reader has come before there was. What that would have read counts
// as known, so that a turn costs its own tokens however soon it comes.
void Scheduler::adopt_sequel(Slot& slot) {
  const std::span<const TokenId> body = std::span(slot.task->text()).first(slot.body);
  const std::size_t chunk = cut(slot).chunk;
  for (auto it = sequels_.begin(); it != sequels_.end();) {
    const std::size_t size = it->text.size();
    if (size > body.size() || !std::equal(it->text.begin(), it->text.end(), body.begin())) {
      ++it;
      continue;
    }
    const bool is_near = size > slot.done && size - slot.done <= it->unread;
    if (is_near && size - slot.done >= chunk && can_begin_at(size, body.size(), cut(slot))) {
      slot.credit = std::max(slot.credit, size);
      std::erase_if(slot.checkpoints, [&](std::size_t place) {
        return place != size && (place > size ? place - size : size - place) < chunk;
      });
      if (size < slot.body) insert_checkpoint(slot.checkpoints, size);
    }
    it = sequels_.erase(it);
  }
}

PrefillSoFar Scheduler::prefill_so_far(const Slot& slot) const noexcept {
  return {slot.done, slot.body, slot.checkpoints, cut(slot)};
}

// Looks for somebody who is reading what this one begins with, to take over the state from him.
void Scheduler::find_leader(std::size_t index) {
  Slot& slot = slots_[index];
  slot.leader = nullptr;
  std::size_t best = slot.done + kSharedTokens;
  Slot* leader = nullptr;
  const auto follows_this = [&](const Slot& other) {
    for (const SequenceTask* at = other.leader; at != nullptr;) {
      if (at == slot.task.get()) return true;
      const auto next = std::find_if(slots_.begin(), slots_.end(), [&](const Slot& s) { return s.task.get() == at; });
      at = next == slots_.end() ? nullptr : next->leader;
    }
    return false;
  };
  for (Slot& other : slots_) {
    if (&other == &slot || !other.reads() || other.task->uses_cache() != slot.task->uses_cache()) continue;
    // Nobody else's logits are its own.
    const std::size_t alike = std::min(common_prefix(other.task->text(), slot.task->text()), slot.task->scores_from());
    const std::size_t shared = choose_join(alike, prefill_so_far(slot), prefill_so_far(other));
    if (shared <= best || follows_this(other)) continue;
    best = shared;
    leader = &other;
  }
  if (leader == nullptr) return;
  slot.leader = leader->task.get();
  slot.join_at = best;
  if (best < leader->body) insert_checkpoint(leader->checkpoints, best);
}

void Scheduler::free_followers(const SequenceTask& leader) {
  std::vector<std::size_t> freed;
  for (std::size_t i = 0; i < slots_.size(); ++i) {
    if (!slots_[i].task || slots_[i].leader != &leader) continue;
    slots_[i].leader = nullptr;
    freed.push_back(i);
  }
  for (const std::size_t i : freed) find_leader(i);
}

// Lets readers read for a while, each in his turn. False: there is nobody.
bool Scheduler::prefill_chunks() {
  const auto tasks = std::count_if(slots_.begin(), slots_.end(), [](const Slot& slot) { return slot.task; });
  // Another model that wants the cores waits no longer than a neighbour on this one.
  const bool alone = tasks == 1 && waiting_.empty() && !cores_.is_crowded();
  const double turn = std::clamp(step_seconds_, kShortestTurn, kLongestTurn);
  const Clock::time_point start = Clock::now();
  bool any = false;
  while (true) {
    std::size_t tried = 0;
    for (; tried < slots_.size(); ++tried, ++next_reader_) {
      const Slot& slot = slots_[next_reader_ % slots_.size()];
      if (slot.reads() && slot.leader == nullptr) break;
    }
    if (tried == slots_.size()) return any;
    const std::size_t index = next_reader_++ % slots_.size();
    const double left = turn - seconds_since(start);
    if (any && left < turn / 4) return true;
    const bool go_on = prefill_chunk(index, alone ? kLoneChunk : left) && !alone;
    any = true;
    if (!go_on) return true;
  }
}

// Reads about as much as the time allows. False: the task has ended, or something else goes first.
bool Scheduler::prefill_chunk(std::size_t index, double seconds) {
  Slot& slot = slots_[index];
  std::size_t wanted = std::min(chunk_size_.tokens_in(seconds), kLargestChunk);
  if (seconds >= kLoneChunk) wanted = std::max(wanted, chunk_size_.is_known() ? kSmallestLoneChunk : kLargestChunk / 2);
  bool has_read = false;
  const auto error = error_of([&] {
    const std::size_t size = next_size(slot, wanted);
    EvalItem chunk = item_of(slot.task->text(), slot.task->media(), slot.done, size);
    chunk.sequence = sequences_[index].get();
    chunk.wants = slot.done < slot.task->scores_from() ? Output::kNone
                  : size > 1                           ? Output::kAllLogits
                                                       : Output::kLastLogits;
    const Clock::time_point start = Clock::now();
    has_read = evaluate(std::span(&chunk, 1), slot.task->cancel());
    if (!has_read) return;
    const double took = seconds_since(start);
    if (chunk.wants == Output::kNone) chunk_size_.measured(size, took - waited_);
    if (slot.task->is_measured()) speeds_.add_prefill(size, took);
    slot.done += size;
    progress(slot, size);
    give_scores(slot, chunk);
    if (slot.done == slot.body || (!slot.checkpoints.empty() && slot.done == slot.checkpoints.front())) reached(index);
  });
  if (error) retire(index, error);
  return has_read && !error && slots_[index].task != nullptr;
}

// About `wanted` tokens, up to the next place. What is wanted with logits begins with a chunk of its own.
std::size_t Scheduler::next_size(const Slot& slot, std::size_t wanted) const {
  const std::size_t stop = slot.checkpoints.empty() ? slot.body : slot.checkpoints.front();
  if (const std::size_t scored = slot.task->scores_from(); slot.done < scored) {
    return chunk_of(slot.done, std::min(stop, scored), wanted, cut(slot));
  }
  return std::min({stop - slot.done, static_cast<std::size_t>(std::max(info_.logit_rows, 1)), wanted});
}

void Scheduler::give_scores(Slot& slot, const EvalItem& chunk) const {
  const auto row = static_cast<std::size_t>(info_.vocabulary);
  for (std::size_t at = 0; at < chunk.output.size(); at += row) slot.task->scored(chunk.output.subspan(at, row));
}

// A place to remember, or the end of what is read in chunks.
void Scheduler::reached(std::size_t index) {
  Slot& slot = slots_[index];
  if (!slot.checkpoints.empty()) slot.checkpoints.erase(slot.checkpoints.begin());
  State state;
  const auto joins = [&](const Slot& other) {
    return other.task && other.leader == slot.task.get() && other.join_at == slot.done;
  };
  const bool is_end = slot.done == slot.body;
  if (slot.task->uses_cache() || (is_end && !slot.task->continues()) ||
      std::any_of(slots_.begin(), slots_.end(), joins)) {
    state = sequences_[index]->save();
  }
  // After an initial state the first chunk may be too small to be stable.
  if (slot.task->uses_cache() && slot.done >= slot.origin + (slot.origin > 0 ? cut(slot).chunk : 0)) {
    cache_.insert(std::span(slot.task->text()).first(slot.done), state);
  }
  for (std::size_t i = 0; i < slots_.size(); ++i) {
    Slot& other = slots_[i];
    if (!joins(other)) continue;
    other.leader = nullptr;
    sequences_[i]->restore(state);
    const std::size_t jump = slot.done - other.done;
    other.done = slot.done;
    other.report.cached_tokens = std::max(other.report.cached_tokens, other.done);
    other.checkpoints = choose_checkpoints(other.done, other.body, other.task->turn_ends(), cut(other));
    progress(other, jump);
    free_followers(*other.task);  // it has passed over where they were to join
    if (other.reads() || other.task->continues()) continue;
    other.report.state = state;
    retire(i, std::nullopt);
  }
  if (is_end) free_followers(*slot.task);
  if (!is_end || slot.task->continues()) return;
  slot.report.state = state;
  retire(index, std::nullopt);
}

void Scheduler::keep_sequel(SequenceTask& task, std::uint64_t clears) {
  try {
    Tokens text = task.sequel();
    std::vector<MediaPlace> media(task.media().begin(), task.media().end());
    const std::vector<std::size_t> borders = media_borders(media);
    text.resize(stable_position_before(text.size(), cut(borders)));
    const StateCache::Stats cache = cache_.stats();
    if (text.empty() || cache.limit_bytes < info_.state_bytes || cache.clears != clears) return;
    const auto origin = static_cast<std::size_t>(task.start().position());
    const std::size_t known = cache_.known_in_memory(text, cut(borders));
    if (known == text.size()) cache_.keep_on_disk(text);
    if (known == text.size() || known < origin) return;
    const std::size_t unread = text.size() - known;
    sequels_.push_back({std::move(text), std::move(media), origin, unread, clears});
    if (sequels_.size() > kMostSequels) sequels_.pop_front();
  } catch (const std::exception&) {
    // Only the next turn's time is lost.
  }
}

bool Scheduler::has_news() const {
  const std::lock_guard lock(mutex_);
  return stopped_ || sleep_wanted_ || !inbox_.empty();
}

// As far as nobody comes.
void Scheduler::read_sequel() {
  if (sequels_.empty()) return;
  const Sequel sequel = std::move(sequels_.front());
  sequels_.pop_front();
  const std::span<const TokenId> text(sequel.text);
  try {
    const std::vector<std::size_t> borders = media_borders(sequel.media);
    const State known = cache_.longest_prefix(text, cut(borders));
    auto done = static_cast<std::size_t>(known.position());
    // Dropped where the conversation it belongs to was forgotten meanwhile.
    if (sequel.clears != cache_.stats().clears || text.size() - done > sequel.unread || done < sequel.origin) return;
    Sequence& reader = sequence(0);
    reader.restore(known);
    while (done < text.size()) {
      const std::size_t size = chunk_of(done, text.size(), chunk_size_.tokens_in(kShortestTurn), cut(borders));
      EvalItem chunk = item_of(text, sequel.media, done, size);
      chunk.sequence = &reader;
      chunk.wants = Output::kNone;
      const Clock::time_point start = Clock::now();
      if (!evaluate(std::span(&chunk, 1), CancelToken())) break;
      chunk_size_.measured(size, seconds_since(start) - waited_);
      done += size;
      if (done < text.size() && has_news()) break;
    }
    cache_.insert_if_not_cleared(sequel.clears, text.first(done), reader.save());
    if (done == text.size()) cache_.keep_on_disk(text);
    if (done < text.size())
      sequels_.push_front({sequel.text, sequel.media, sequel.origin, text.size() - done, sequel.clears});
  } catch (const std::exception&) {
    // As above.
  }
}

}  // namespace rwkv
