#include "base/host_call.h"

#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <cstdlib>
#include <mutex>
#include <new>

#include "base/fork.h"

namespace rwkv {
namespace {

constexpr std::chrono::seconds kLongestWait{1};

thread_local int depth = 0;

struct Calls {
  std::mutex mutex;
  std::condition_variable ended;
  int running = 0;
  bool refused = false;
};

// Never destroyed, as it is used while the process is torn down; and not allocated, as there may be no memory when the
// first call begins.
alignas(Calls) std::byte storage[sizeof(Calls)];
Calls* instance = nullptr;

void make_instance() noexcept { instance = new (storage) Calls; }

void refuse_calls() noexcept {
  Calls& calls = *instance;
  std::unique_lock lock(calls.mutex);
  calls.refused = true;
  // Not for the call that is leaving the process itself.
  calls.ended.wait_for(lock, kLongestWait, [&] { return calls.running <= depth; });
}

Calls& calls() {
  static const bool made = [] {
    make_instance();
    at_fork([] { instance->mutex.lock(); }, [] { instance->mutex.unlock(); }, make_instance);
    // Handlers run in the reverse order: before the destructors of what the host has made up to now.
    std::atexit(refuse_calls);
    return true;
  }();
  static_cast<void>(made);
  return *instance;
}

bool begin() noexcept {
  Calls& all = calls();
  const std::lock_guard lock(all.mutex);
  if (all.refused) return false;
  ++all.running;
  ++depth;
  return true;
}

}  // namespace

HostCall::HostCall() noexcept : allowed_(begin()) {}

HostCall::~HostCall() {
  if (!allowed_) return;
  --depth;
  Calls& all = calls();
  const std::lock_guard lock(all.mutex);
  --all.running;
  all.ended.notify_all();
}

bool HostCall::inside() noexcept { return depth > 0; }

}  // namespace rwkv
