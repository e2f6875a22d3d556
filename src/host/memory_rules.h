// What caches may take and give back, for whoever holds models.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "runtime/memory_budget.h"
#include "runtime/state_cache.h"

namespace rwkv::host {

/// How badly the system lacks memory, by what goes: half of the states of models that do nothing; all states; the
/// weights of models that do nothing, too.
enum class MemoryPressure { kModerate, kLow, kCritical };

/// Caches share what the budget leaves them. Models that wake up take from that without asking anybody, so this is
/// looked at again and again.
class CacheBounds {
 public:
  /// Whether the caches' bounds have to be set anew, which is then expected to happen.
  bool outdated(const MemoryBudget& budget, std::size_t models) {
    const std::uint64_t limit = budget.limit();
    const std::uint64_t granted = budget.granted();
    if (!forgotten_ && limit == limit_ && granted == granted_ && models == models_) return false;
    forgotten_ = false;
    limit_ = limit;
    granted_ = granted;
    models_ = models;
    return true;
  }
  /// Bounds the cache of a model that takes `wanted` where there is no budget. Returns whether something was dropped.
  bool apply(StateCache& cache, std::uint64_t wanted) const {
    const std::uint64_t before = cache.stats().bytes;
    const std::uint64_t room = limit_ > granted_ ? limit_ - granted_ : 0;
    cache.set_limit(limit_ == 0 ? wanted : std::min(wanted, room / models_));
    return cache.stats().bytes < before;
  }
  /// Somebody wants something else than before.
  void forget() { forgotten_ = true; }

 private:
  bool forgotten_ = true;
  std::uint64_t limit_ = 0;
  std::uint64_t granted_ = 0;
  std::size_t models_ = 0;
};

/// Drops of a model's states what goes at this level.
inline void drop_states(StateCache& cache, MemoryPressure level, bool model_is_busy) {
  const StateCache::Stats stats = cache.stats();
  if (level != MemoryPressure::kModerate) {
    cache.release();  // also what is going to be read for the next turns
  } else if (!model_is_busy) {
    cache.shrink_to(stats.pinned_bytes + (stats.bytes - stats.pinned_bytes) / 2);
  }
}

}  // namespace rwkv::host
