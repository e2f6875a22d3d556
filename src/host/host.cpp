#include "host/host.h"

#include <algorithm>
#include <utility>

#include "base/machine.h"

namespace rwkv::host {

int Host::next_id() {
  if (ids_ == Ids::kNeverAgain) return next_new_id_++;
  int id = 0;
  for (auto taken = entries_.begin(); taken != entries_.end() && taken->first == id; ++taken) ++id;
  return id;
}

ModelRequest Host::with_host_options(ModelRequest request) const {
  request.budget = budget_;
  request.allows_stand_in = allows_stand_in_;
  return request;
}

void Host::add(const std::shared_ptr<ModelHost>& model, Phase phase) {
  const std::lock_guard lock(mutex_);
  if (closed_) throw Error(ErrorCode::kCancelled, "the runtime was released while it loaded a model");
  model->id_ = next_id();
  entries_[model->id_] = {model, phase};
  if (phase == Phase::kLoaded) model->cache_limit_ = model->model().cache().stats().limit_bytes;
  fit_caches_with_lock();
}

void Host::set_phase(const ModelHost& model, Phase phase) noexcept {
  const std::lock_guard lock(mutex_);
  const auto entry = entries_.find(model.id());
  if (entry == entries_.end() || entry->second.model.get() != &model) return;
  entry->second.phase = phase;
  ModelHost& changed = *entry->second.model;
  if (phase == Phase::kLoaded) changed.cache_limit_ = changed.model().cache().stats().limit_bytes;
}

bool Host::remove(const ModelHost& model) noexcept {
  Entries::node_type removed;  // goes outside of the lock
  const std::lock_guard lock(mutex_);
  const auto entry = entries_.find(model.id());
  if (entry == entries_.end() || entry->second.model.get() != &model) return false;
  removed = entries_.extract(entry);
  return true;
}

std::shared_ptr<ModelHost> Host::find(std::int64_t id) {
  const std::lock_guard lock(mutex_);
  fit_caches_with_lock();
  for (const auto& [taken, entry] : entries_) {
    if (taken == id && entry.phase == Phase::kLoaded) return entry.model;
  }
  return nullptr;
}

std::vector<std::shared_ptr<ModelHost>> Host::models(Phase phase) const {
  const std::lock_guard lock(mutex_);
  std::vector<std::shared_ptr<ModelHost>> all;
  for (const auto& [id, entry] : entries_) {
    if (entry.phase == phase) all.push_back(entry.model);
  }
  return all;
}

bool Host::has_any(Phase phase) const {
  const std::lock_guard lock(mutex_);
  return std::any_of(entries_.begin(), entries_.end(), [&](const auto& each) { return each.second.phase == phase; });
}

void Host::cancel_uses() noexcept {
  const std::lock_guard lock(mutex_);
  for (const auto& [id, entry] : entries_) entry.model->cancel_uses();
}

Host::Entries Host::take_all() noexcept {
  const std::lock_guard lock(mutex_);
  closed_ = true;
  return std::exchange(entries_, {});
}

std::uint64_t Host::memory_in_use() const {
  std::uint64_t bytes = budget_->granted() + media_->encoded.bytes();
  for_each(Phase::kLoaded, [&](const ModelHost& host) { bytes += host.model().memory_use().cache.bytes; });
  return bytes;
}

void Host::fit_caches() {
  const std::lock_guard lock(mutex_);
  fit_caches_with_lock();
}

void Host::fit_caches_with_lock() {
  Fitted now{budget_->limit(), budget_->granted(), 0};
  for (const auto& [id, entry] : entries_) now.models += entry.phase == Phase::kLoaded ? 1 : 0;
  if (std::exchange(fitted_, now) == now) return;
  const std::uint64_t room = now.limit > now.granted ? now.limit - now.granted : 0;
  bool dropped = false;
  for (const auto& [id, entry] : entries_) {
    if (entry.phase != Phase::kLoaded) continue;
    StateCache& cache = entry.model->model().cache();
    const std::uint64_t before = cache.stats().bytes;
    const std::uint64_t wanted = entry.model->cache_limit_;
    cache.set_limit(now.limit == 0 ? wanted : std::min(wanted, room / now.models));
    dropped |= cache.stats().bytes < before;
  }
  if (dropped) give_back_freed_memory();
}

void Host::set_cache_limit(ModelHost& model, std::uint64_t bytes) {
  const std::lock_guard lock(mutex_);
  model.cache_limit_ = bytes;
  fitted_ = {};
  fit_caches_with_lock();
}

template <class Drop>
Host::Dropped Host::dropped_by(const Drop& drop) {
  const auto all = models();
  std::vector<std::uint64_t> before;
  for (const auto& host : all) before.push_back(host->model().cache().stats().bytes);
  drop(all);
  Dropped dropped;
  for (std::size_t i = 0; i < all.size(); ++i) {
    const std::uint64_t after = all[i]->model().cache().stats().bytes;
    if (after >= before[i]) continue;
    dropped.bytes += before[i] - after;
    ++dropped.caches;
  }
  return dropped;
}

Host::Dropped Host::set_budget(std::uint64_t bytes) {
  budget_->set_limit(bytes);
  return dropped_by([this](const auto&) { fit_caches(); });
}

Host::Dropped Host::drop_states(MemoryPressure pressure) {
  const auto dropped = dropped_by([&](const auto& all) {
    for (const auto& host : all) {
      StateCache& cache = host->model().cache();
      const StateCache::Stats stats = cache.stats();
      if (pressure != MemoryPressure::kModerate) {
        cache.release();  // also what is going to be read for the next turns
      } else if (!host->busy()) {
        cache.shrink_to(stats.pinned_bytes + (stats.bytes - stats.pinned_bytes) / 2);
      }
    }
  });
  media_->encoded.shrink_to(pressure == MemoryPressure::kModerate ? media_->encoded.bytes() / 2 : 0);
  give_back_freed_memory();  // also what was freed before
  return dropped;
}

std::shared_ptr<ModelHost> Host::next_to_sleep(const std::set<std::int64_t>& tried) const {
  std::shared_ptr<ModelHost> next;
  for (const auto& host : models()) {
    if (host->busy() || host->model().memory_use().asleep || tried.contains(host->load_id)) continue;
    if (!next || host->last_use() < next->last_use()) next = host;
  }
  return next;
}

}  // namespace rwkv::host
