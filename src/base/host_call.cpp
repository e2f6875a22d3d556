#include "base/host_call.h"

#include <chrono>
#include <condition_variable>
#include <cstdlib>
#include <mutex>

#include "base/fork.h"

namespace rwkv {
namespace {

constexpr std::chrono::seconds kLongestWait{1};

thread_local int depth = 0;

// Never destroyed: it is used while the process is torn down.
struct Calls {
  std::mutex mutex;
  std::condition_variable ended;
  int running = 0;
  bool refused = false;
};

Calls* instance = nullptr;

void refuse_calls() noexcept {
  Calls& calls = *instance;
  std::unique_lock lock(calls.mutex);
  calls.refused = true;
  // Not for the call that is leaving the process itself.
  calls.ended.wait_for(lock, kLongestWait, [&] { return calls.running <= depth; });
}

Calls& calls() {
  static const bool made = [] {
    instance = new Calls;
    at_fork([] { instance->mutex.lock(); }, [] { instance->mutex.unlock(); }, [] { instance = new Calls; });
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
