// States of texts evaluated before, found again by their tokens.
#pragma once

#include <cstddef>
#include <cstdint>
#include <list>
#include <map>
#include <memory>
#include <mutex>
#include <span>
#include <vector>

#include "base/token.h"
#include "engine/state.h"
#include "runtime/chunks.h"
#include "runtime/disk_cache.h"

namespace rwkv {

/// A byte-bounded cache of states keyed by the tokens that led to them: a radix tree, so that conversations which begin
/// alike share what they have in common and a look-up costs no more than the text is long. The least recently used
/// states go first, pinned ones not at all. With a disk cache below it, what goes for want of room is written there,
/// and found there. Safe from any thread.
class StateCache {
 public:
  struct Stats {
    std::size_t entries = 0;
    std::uint64_t bytes = 0;  // states, keys and nodes of the tree
    std::uint64_t limit_bytes = 0;
    std::uint64_t pinned_bytes = 0;  // states that are never dropped for room
    std::uint64_t hits = 0;
    std::uint64_t misses = 0;
    std::uint64_t saved_tokens = 0;  // tokens that did not have to be evaluated
    std::uint64_t clears = 0;        // calls of clear()
  };

  explicit StateCache(std::uint64_t limit_bytes);
  ~StateCache();

  /// The state of the longest stored prefix of `tokens`; its position() is the prefix's length. The zero state if none.
  /// Only prefixes are looked at with which can_begin_at() (chunks.h) agrees.
  State longest_prefix(std::span<const TokenId> tokens, StableCut cut = {});

  /// The length of that prefix among those in memory; counts in no figure.
  std::size_t known_in_memory(std::span<const TokenId> tokens, StableCut cut);

  /// Stores the state after exactly `tokens`; what is stored for them already stays. Then drops what is too much, so a
  /// state larger than the limit is not kept.
  void insert(std::span<const TokenId> tokens, State state);
  /// The same unless clear() was called since stats().clears was `clears`: for what goes on with an old text by itself.
  void insert_if_not_cleared(std::uint64_t clears, std::span<const TokenId> tokens, State state);
  /// The same for a state that stays until it is erased.
  void pin(std::span<const TokenId> tokens, State state);
  /// Forgets the states of all texts that begin with `tokens`, pinned ones too, but none on disk.
  void erase(std::span<const TokenId> tokens);

  /// Forgets all but the pinned ones, on disk as well.
  void clear();
  /// The same in memory only. Neither lets insert_if_not_cleared() bring anything back.
  void release();

  /// The slow tier from now on; null: none.
  void set_disk(std::shared_ptr<DiskCache> disk);
  std::shared_ptr<DiskCache> disk() const;
  /// Zeros where there is none.
  DiskCache::Stats disk_stats() const;
  /// Has the state after exactly `tokens` written to disk soon, where there is one, for a process that is killed.
  void keep_on_disk(std::span<const TokenId> tokens);
  void set_limit(std::uint64_t bytes);
  /// Drops states until at most `bytes` are taken, or nothing but pinned ones is left. Returns the bytes dropped.
  std::uint64_t shrink_to(std::uint64_t bytes);
  Stats stats() const;

  struct Node {
    Tokens tokens;
    std::uint64_t bytes = 0;
    bool pinned = false;
  };
  /// All entries, most recently used first.
  std::vector<Node> nodes() const;

 private:
  // A place in the tree. Only leaves have to have a state; an inner one without has two children or more.
  struct Place {
    Tokens edge;  // tokens from the parent to here; empty at the root
    Place* parent = nullptr;
    std::map<TokenId, std::unique_ptr<Place>> children;  // by the first token of their edge
    State state;                                         // zero: none
    std::size_t depth = 0;
    bool pinned = false;
    std::list<Place*>::iterator used;  // where it stands in used_, with a state
  };

  Place& place_of(std::span<const TokenId> tokens);
  Place* find(std::span<const TokenId> tokens, bool or_longer);
  Place& split(Place& place, std::size_t length);
  State longest_in_memory(std::span<const TokenId> tokens, StableCut cut);
  Tokens key_of(const Place& place) const;
  void store(std::span<const TokenId> tokens, State state, bool pinned);
  void forget(Place& place);
  void tidy(Place& place);
  void offer_to_disk(const Place& place);
  std::uint64_t drop_to(std::uint64_t bytes, bool to_disk = true);

  mutable std::mutex mutex_;
  Place root_;
  std::list<Place*> used_;  // places with a state, most recently used first
  Stats stats_;
  std::shared_ptr<DiskCache> disk_;
};

}  // namespace rwkv
