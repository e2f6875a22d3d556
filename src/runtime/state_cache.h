// States of texts evaluated before, found again by their tokens.
#pragma once

#include <cstddef>
#include <cstdint>
#include <list>
#include <mutex>
#include <span>
#include <vector>

#include "base/token.h"
#include "engine/state.h"

namespace rwkv {

/// A byte-bounded cache of states keyed by the tokens that led to them; the least recently used go first. Safe from any
/// thread.
class StateCache {
 public:
  struct Stats {
    std::size_t entries = 0;
    std::uint64_t bytes = 0;
    std::uint64_t limit_bytes = 0;
    std::uint64_t hits = 0;
    std::uint64_t misses = 0;
    std::uint64_t saved_tokens = 0;  // tokens that did not have to be evaluated
  };

  explicit StateCache(std::uint64_t limit_bytes) { stats_.limit_bytes = limit_bytes; }

  /// The state of the longest stored prefix of `tokens`; its position() is the prefix's length. The zero state if none.
  State longest_prefix(std::span<const TokenId> tokens);

  /// Stores the state after exactly `tokens`. A state larger than the limit is not kept.
  void insert(std::span<const TokenId> tokens, State state);

  void clear();
  void set_limit(std::uint64_t bytes);
  Stats stats() const;

  struct Node {
    Tokens tokens;
    std::uint64_t bytes = 0;
  };
  /// All entries, most recently used first.
  std::vector<Node> nodes() const;

 private:
  struct Entry {
    Tokens tokens;
    State state;
    std::uint64_t bytes() const noexcept { return state.bytes().size() + tokens.size() * sizeof(TokenId); }
  };

  void evict_to_limit();

  mutable std::mutex mutex_;
  std::list<Entry> entries_;  // most recently used first
  Stats stats_;
};

}  // namespace rwkv
