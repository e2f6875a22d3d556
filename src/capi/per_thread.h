// Results that belong to the library and live until the next call.
#pragma once

#include <map>
#include <mutex>
#include <thread>
#include <utility>

namespace rwkv::capi {

/// The last result of each thread. Not thread_local: a result outlives the thread that asked for it, as clients whose
/// calls wander between threads need it, and ends with this object.
template <class T>
class PerThread {
 public:
  /// Replaces this thread's result. The reference is good until the next call from this thread.
  T& keep(T result) {
    const std::lock_guard lock(mutex_);
    T& mine = results_[std::this_thread::get_id()];
    mine = std::move(result);
    return mine;
  }

 private:
  std::mutex mutex_;
  std::map<std::thread::id, T> results_;
};

}  // namespace rwkv::capi
