// What a runtime's models take and give back.
#include <map>

#include "base/machine.h"
#include "capi/runtime.h"

namespace rwkv::capi {

// The caller holds the lock.
void Runtime::fit_caches() const {
  if (!cache_bounds_.outdated(*budget_, models_.size())) return;
  bool dropped = false;
  for (const auto& [id, host] : models_) dropped |= cache_bounds_.apply(host->model().cache(), host->cache_limit);
  if (dropped) give_back_freed_memory();
}

void Runtime::set_cache_limit(ModelHost& model, std::uint64_t bytes) {
  const std::lock_guard lock(mutex_);
  model.cache_limit = bytes;
  cache_bounds_.forget();
  fit_caches();
}

void Runtime::set_memory_budget(std::uint64_t bytes) {
  budget_->set_limit(bytes);
  {
    const std::lock_guard lock(mutex_);
    fit_caches();
  }
  put_to_sleep([&] { return bytes == 0 || memory_in_use() <= bytes; });
  give_back_freed_memory();
}

void Runtime::release_memory(host::MemoryPressure level) {
  for (const auto& host : models()) host::drop_states(host->model().cache(), level, host->busy());
  if (level == host::MemoryPressure::kCritical) put_to_sleep([] { return false; });
  give_back_freed_memory();
}

// One idle model after the other, the one used longest ago first.
void Runtime::put_to_sleep(const std::function<bool()>& is_enough) {
  std::multimap<std::int64_t, std::shared_ptr<ModelHost>> by_last_use;
  for (const auto& host : models()) {
    if (!host->model().memory_use().asleep) by_last_use.emplace(host->last_use(), host);
  }
  for (const auto& [use, host] : by_last_use) {
    if (is_enough()) return;
    if (!host->busy()) host->model().sleep();
  }
}

std::uint64_t Runtime::memory_in_use() const {
  std::uint64_t bytes = budget_->granted();
  for (const auto& host : models()) bytes += host->model().memory_use().cache.bytes;
  return bytes;
}

}  // namespace rwkv::capi
