// Sequels: the beginnings of conversations' next turns, prefilled while the model has nothing else to do.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <span>
#include <vector>

#include "runtime/evaluator.h"
#include "runtime/media.h"
#include "runtime/sequence_task.h"
#include "runtime/state_cache.h"

namespace rwkv {

/// A sequel is a conversation as its next turn will show it, up to that turn: the text of the turn before with the
/// answer in it. Its state goes into the cache, unless that was cleared after the answer. A lack of memory costs only
/// time. Where decode gives the states of prefill, what was written counts as read: what is left of the sequel then,
/// the end of the turn, is not prefilled ahead but goes with the next turn.
class Sequels {
 public:
  Sequels(Evaluator& evaluator, StateCache& cache) : evaluator_(evaluator), cache_(cache) {}

  /// Keeps the sequel of a task that has ended when StateCache::Stats::clears was `clears`.
  void keep(const SequenceTask& task, std::uint64_t clears) noexcept;
  /// For a text whose first `done` tokens are known: forgets the sequels that it begins with, and gives the lengths of
  /// those that would have been known by now, had there been time.
  std::vector<std::size_t> take(std::span<const TokenId> text, std::size_t done);
  /// Prefills one, as long as `has_news` is false.
  void prefill_one(const std::function<bool()>& has_news) noexcept;

  /// How many there are to prefill.
  std::size_t size() const noexcept { return unread_.size(); }
  void clear() noexcept {
    unread_.clear();
    written_.clear();
  }

 private:
  struct Sequel {
    Tokens text;
    std::vector<MediaPlace> media;
    std::size_t origin = 0;   // position of the state it begins with
    std::size_t unknown = 0;  // tokens of it that the cache did not have when the task ended
    std::uint64_t clears = 0;
  };

  Evaluator& evaluator_;
  StateCache& cache_;
  std::deque<Sequel> unread_;
  std::deque<Sequel> written_;  // all but their ends
};

}  // namespace rwkv
