// Memory is given back: states first, then the weights of models that do nothing.
#include <utility>

#include "base/machine.h"
#include "bridge/runtime.h"

namespace rwkv::bridge {
namespace {

static_assert(static_cast<int>(host::MemoryPressure::kModerate) ==
              static_cast<int>(protocol::MemoryPressure::kModerate));
static_assert(static_cast<int>(host::MemoryPressure::kCritical) ==
              static_cast<int>(protocol::MemoryPressure::kCritical));

void note(protocol::MemoryReleased& answer, const host::Host::Dropped& dropped) {
  answer.state_bytes = static_cast<std::int64_t>(dropped.bytes);
  answer.caches = dropped.caches;
}

}  // namespace

void Runtime::set_memory_budget(const Origin& origin, std::uint64_t bytes) {
  const auto release = std::make_shared<MemoryRelease>();
  release->origin = origin;
  release->answer.bytes_before = static_cast<std::int64_t>(host_.memory_in_use());
  note(release->answer, host_.set_budget(bytes));
  release->is_enough = [this, bytes] { return bytes == 0 || host_.memory_in_use() <= bytes; };
  put_to_sleep(release);
}

void Runtime::release_memory(const Origin& origin, protocol::MemoryPressure level) {
  const auto release = std::make_shared<MemoryRelease>();
  release->origin = origin;
  release->answer.level = level;
  release->answer.bytes_before = static_cast<std::int64_t>(host_.memory_in_use());
  note(release->answer, host_.drop_states(static_cast<host::MemoryPressure>(level)));
  release->is_enough = [level] { return level != protocol::MemoryPressure::kCritical; };
  put_to_sleep(release);
}

// One idle model after the other until it is enough or none is left.
void Runtime::put_to_sleep(const std::shared_ptr<MemoryRelease>& release) {
  const auto next = release->is_enough() ? nullptr : host_.next_to_sleep(release->tried);
  if (!next) {
    release->answer.bytes_after = static_cast<std::int64_t>(host_.memory_in_use());
    reply(release->origin, release->answer);
    done(release->origin);
    return;
  }
  release->tried.insert(next->load_id);
  const auto sleeps = std::make_shared<bool>(false);
  run_job(
      release->origin, *next,
      [sleeps, model = &next->model()](const CancelToken&) {
        *sleeps = model->sleep();
        give_back_freed_memory();
      },
      [this, release, sleeps, id = next->id()](const std::optional<Error>&) {
        if (*sleeps) release->answer.unloaded_model_ids.push_back(id);
        put_to_sleep(release);
      });
}

}  // namespace rwkv::bridge
