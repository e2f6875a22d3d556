// Counts objects for leak checks.
#pragma once

#include <atomic>
#include <cstdint>

namespace rwkv::host {

using LiveCount = std::atomic<std::int64_t>;

/// A member of each object that is counted.
class LiveObject {
 public:
  explicit LiveObject(LiveCount& count) noexcept : count_(count) { count_.fetch_add(1, std::memory_order_relaxed); }
  LiveObject(const LiveObject&) = delete;
  LiveObject& operator=(const LiveObject&) = delete;
  ~LiveObject() { count_.fetch_sub(1, std::memory_order_relaxed); }

 private:
  LiveCount& count_;
};

}  // namespace rwkv::host
