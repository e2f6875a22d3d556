// Memory is given back: states first, then the weights of models that do nothing.
#include <utility>

#include "base/machine.h"
#include "bridge/runtime.h"

namespace rwkv::bridge {
namespace {

host::MemoryPressure to_host(protocol::MemoryPressure level) {
  switch (level) {
    case protocol::MemoryPressure::kModerate: return host::MemoryPressure::kModerate;
    case protocol::MemoryPressure::kLow: return host::MemoryPressure::kLow;
    case protocol::MemoryPressure::kCritical: break;
  }
  return host::MemoryPressure::kCritical;
}

}  // namespace

std::uint64_t Runtime::memory_in_use() const {
  std::uint64_t bytes = budget_->granted();
  for (const auto& [id, host] : models_) bytes += host->model->memory_use().cache.bytes;
  return bytes;
}

void Runtime::fit_caches() {
  if (!cache_bounds_.outdated(*budget_, models_.size())) return;
  bool dropped = false;
  for (const auto& [id, host] : models_) dropped |= cache_bounds_.apply(host->model->cache(), host->cache_limit);
  if (dropped) give_back_freed_memory();
}

void Runtime::set_memory_budget(const Origin& origin, std::uint64_t bytes) {
  const auto release = std::make_shared<MemoryRelease>();
  release->origin = origin;
  release->answer.bytes_before = static_cast<std::int64_t>(memory_in_use());
  budget_->set_limit(bytes);
  drop_states(*release, [this] { fit_caches(); });
  release->is_enough = [this] { return budget_->limit() == 0 || memory_in_use() <= budget_->limit(); };
  put_to_sleep(release);
}

void Runtime::release_memory(const Origin& origin, protocol::MemoryPressure level) {
  const auto release = std::make_shared<MemoryRelease>();
  release->origin = origin;
  release->answer.level = level;
  release->answer.bytes_before = static_cast<std::int64_t>(memory_in_use());
  drop_states(*release, [this, level] {
    for (const auto& [id, host] : models_) host::drop_states(host->model->cache(), to_host(level), is_busy(*host));
    give_back_freed_memory();  // also what was freed before
  });
  release->is_enough = [level] { return level != protocol::MemoryPressure::kCritical; };
  put_to_sleep(release);
}

// What `drop` takes from the caches is written down.
void Runtime::drop_states(MemoryRelease& release, const std::function<void()>& drop) {
  std::map<int, std::uint64_t> before;
  for (const auto& [id, host] : models_) before[id] = host->model->cache().stats().bytes;
  drop();
  for (const auto& [id, host] : models_) {
    const std::uint64_t after = host->model->cache().stats().bytes;
    if (after >= before[id]) continue;
    release.answer.state_bytes += static_cast<std::int64_t>(before[id] - after);
    ++release.answer.caches;
  }
}

// One idle model after the other, the one used longest ago first, until it is enough or none is left.
void Runtime::put_to_sleep(const std::shared_ptr<MemoryRelease>& release) {
  std::shared_ptr<ModelHost> next;
  if (!release->is_enough()) {
    for (const auto& [id, host] : models_) {
      if (is_busy(*host) || host->model->memory_use().asleep || release->tried.contains(host->load_number)) continue;
      if (!next || host->last_use < next->last_use) next = host;
    }
  }
  if (!next) {
    release->answer.bytes_after = static_cast<std::int64_t>(memory_in_use());
    reply(release->origin, release->answer);
    done(release->origin);
    return;
  }
  release->tried.insert(next->load_number);
  const auto sleeps = std::make_shared<bool>(false);
  run_job(
      release->origin, *next,
      [sleeps, model = next->model.get()] {
        *sleeps = model->sleep();
        give_back_freed_memory();
      },
      [this, release, sleeps, id = next->id](const std::optional<Error>&) {
        if (*sleeps) release->answer.unloaded_model_ids.push_back(id);
        put_to_sleep(release);
      });
}

// Whether it is doing something or going to.
bool Runtime::is_busy(const ModelHost& host) { return host.generating || host.draining || *host.jobs > 0; }

}  // namespace rwkv::bridge
