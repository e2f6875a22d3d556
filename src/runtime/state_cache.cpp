#include "runtime/state_cache.h"

#include <algorithm>
#include <utility>

namespace rwkv {

State StateCache::longest_prefix(std::span<const TokenId> tokens) {
  const std::lock_guard lock(mutex_);
  auto best = entries_.end();
  for (auto it = entries_.begin(); it != entries_.end(); ++it) {
    if (it->tokens.size() > tokens.size()) continue;
    if (best != entries_.end() && it->tokens.size() <= best->tokens.size()) continue;
    if (std::equal(it->tokens.begin(), it->tokens.end(), tokens.begin())) best = it;
  }
  if (best == entries_.end()) {
    ++stats_.misses;
    return {};
  }
  ++stats_.hits;
  stats_.saved_tokens += best->tokens.size();
  entries_.splice(entries_.begin(), entries_, best);
  return best->state;
}

void StateCache::insert(std::span<const TokenId> tokens, State state) {
  if (tokens.empty()) return;
  const std::lock_guard lock(mutex_);
  for (auto it = entries_.begin(); it != entries_.end(); ++it) {
    if (!std::equal(it->tokens.begin(), it->tokens.end(), tokens.begin(), tokens.end())) continue;
    entries_.splice(entries_.begin(), entries_, it);
    return;
  }
  entries_.push_front({Tokens(tokens.begin(), tokens.end()), std::move(state)});
  ++stats_.entries;
  stats_.bytes += entries_.front().bytes();
  evict_to_limit();
}

void StateCache::clear() {
  const std::lock_guard lock(mutex_);
  entries_.clear();
  stats_.entries = 0;
  stats_.bytes = 0;
}

void StateCache::set_limit(std::uint64_t bytes) {
  const std::lock_guard lock(mutex_);
  stats_.limit_bytes = bytes;
  evict_to_limit();
}

StateCache::Stats StateCache::stats() const {
  const std::lock_guard lock(mutex_);
  return stats_;
}

std::vector<StateCache::Node> StateCache::nodes() const {
  const std::lock_guard lock(mutex_);
  std::vector<Node> nodes;
  nodes.reserve(entries_.size());
  for (const Entry& entry : entries_) nodes.push_back({entry.tokens, entry.bytes()});
  return nodes;
}

void StateCache::evict_to_limit() {
  while (stats_.bytes > stats_.limit_bytes && !entries_.empty()) {
    stats_.bytes -= entries_.back().bytes();
    --stats_.entries;
    entries_.pop_back();
  }
}

}  // namespace rwkv
