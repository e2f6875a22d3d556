#include "bridge/directory.h"

#include <condition_variable>
#include <map>
#include <mutex>
#include <thread>
#include <utility>

#include "base/fork.h"
#include "base/insist.h"
#include "base/machine.h"
#include "bridge/runtime.h"

namespace rwkv::bridge {
namespace {

struct Entry {
  std::string runtime_name;
  std::shared_ptr<Runtime> runtime;
};

// Never destroyed: other threads may still use it while statics are torn down.
struct Directory {
  std::mutex mutex;
  std::map<std::string, std::shared_ptr<Runtime>> runtimes;
  std::map<PortId, Entry> ports;
  PortId next_id = 1;
  int ending = 0;  // runtimes that are no longer found but not yet gone
  std::condition_variable ended;
};

Directory* instance = nullptr;

Directory& directory() {
  static const bool made = [] {
    instance = new Directory;
    // The child of a fork has none of the runtimes: their threads are the parent's. Its own get other numbers.
    at_fork([] { instance->mutex.lock(); }, [] { instance->mutex.unlock(); },
            [] {
              const PortId next = instance->next_id;
              instance = new Directory;
              instance->next_id = next;
              live_models = 0;
            });
    return true;
  }();
  static_cast<void>(made);
  return *instance;
}

void end_runtime(Runtime* runtime) {
  delete runtime;
  give_back_freed_memory();
  Directory& d = directory();
  // Notified under the lock: who waits may be the last to run in this process.
  const std::lock_guard lock(d.mutex);
  --d.ending;
  d.ended.notify_all();
}

// A runtime waits for its threads when it goes, so the last one to let go of it, which may be such a thread, only
// starts that.
struct Owner {
  std::unique_ptr<Runtime> runtime = std::make_unique<Runtime>();
  Owner() = default;
  Owner(const Owner&) = delete;
  Owner& operator=(const Owner&) = delete;
  ~Owner() {
    insist([ending = runtime.release()] { std::thread(end_runtime, ending).detach(); });
  }
};

std::shared_ptr<Runtime> make_runtime() {
  const auto owner = std::make_shared<Owner>();
  return {owner, owner->runtime.get()};
}

// Null when there is no such port.
std::shared_ptr<Runtime> runtime_of(PortId id) {
  Directory& d = directory();
  const std::lock_guard lock(d.mutex);
  const auto it = d.ports.find(id);
  return it == d.ports.end() ? nullptr : it->second.runtime;
}

bool has_ports(const Directory& d, const std::string& name) {
  for (const auto& [id, entry] : d.ports) {
    if (entry.runtime_name == name) return true;
  }
  return false;
}

}  // namespace

PortId open_port(const std::string& name, std::unique_ptr<Port> port, const protocol::PortOptions& options) {
  Directory& d = directory();
  std::shared_ptr<Runtime> runtime;  // let go of outside of the lock
  const std::lock_guard lock(d.mutex);
  const auto [at, is_new] = d.runtimes.try_emplace(name);
  const PortId id = d.next_id++;
  try {
    if (is_new) at->second = make_runtime();
    runtime = at->second;
    d.ports[id] = {name, runtime};
    runtime->open(id, std::move(port), options);
  } catch (...) {
    d.ports.erase(id);
    if (is_new && runtime) ++d.ending;
    if (is_new) d.runtimes.erase(at);
    throw;
  }
  return id;
}

bool send(PortId id, std::string json) {
  const std::shared_ptr<Runtime> runtime = runtime_of(id);
  if (!runtime) return false;
  runtime->receive(id, std::move(json));
  return true;
}

bool when_idle(PortId id, std::function<void()> then) {
  const std::shared_ptr<Runtime> runtime = runtime_of(id);
  if (!runtime) return false;
  runtime->when_idle(id, std::move(then));
  return true;
}

bool close_port(PortId id, bool wait) {
  Directory& d = directory();
  std::shared_ptr<Runtime> runtime;
  bool last = false;
  {
    const std::lock_guard lock(d.mutex);
    const auto it = d.ports.find(id);
    if (it == d.ports.end()) return false;
    runtime = std::move(it->second.runtime);
    const std::string name = it->second.runtime_name;
    d.ports.erase(it);
    last = !has_ports(d, name);
    if (last) {
      d.runtimes.erase(name);
      ++d.ending;
    }
  }
  runtime->close(id);
  runtime.reset();
  if (last && wait) {
    std::unique_lock lock(d.mutex);
    d.ended.wait(lock, [&d] { return d.ending == 0; });
  }
  return true;
}

void forget_dead_port(PortId id) {
  Directory& d = directory();
  const std::lock_guard lock(d.mutex);
  d.ports.erase(id);
}

std::int64_t live_objects() {
  Directory& d = directory();
  const std::lock_guard lock(d.mutex);
  return static_cast<std::int64_t>(d.runtimes.size() + d.ports.size()) + d.ending +
         live_models.load(std::memory_order_relaxed);
}

}  // namespace rwkv::bridge
