// Counts runtimes and models, for leak checks.
#pragma once

#include <atomic>
#include <cstdint>

namespace rwkv::capi {

inline std::atomic<std::int64_t> live_objects{0};

inline void count_live(int change) noexcept { live_objects.fetch_add(change, std::memory_order_relaxed); }

}  // namespace rwkv::capi
