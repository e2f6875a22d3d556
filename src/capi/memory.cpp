#include "capi/memory.h"

#include <atomic>

namespace rwkv::capi {
namespace {

std::atomic<std::int64_t> live{0};

}  // namespace

void* allocate(std::size_t bytes) {
  void* memory = std::calloc(bytes > 0 ? bytes : 1, 1);
  if (memory == nullptr) throw std::bad_alloc();
  live.fetch_add(1, std::memory_order_relaxed);
  return memory;
}

void release(const void* memory) noexcept {
  if (memory == nullptr) return;
  live.fetch_sub(1, std::memory_order_relaxed);
  std::free(const_cast<void*>(memory));
}

std::int64_t live_blocks() noexcept { return live.load(std::memory_order_relaxed); }

}  // namespace rwkv::capi
