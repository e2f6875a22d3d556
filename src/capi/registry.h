// Handles that are numbers: a stale or made-up one is found out without touching memory.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <utility>

#include "base/fork.h"
#include "capi/live_objects.h"

namespace rwkv::capi {

/// Safe from any thread. Numbers are never given out again.
template <class T>
class Registry {
 public:
  /// The handle of a new object.
  void* add(std::shared_ptr<T> object) {
    const std::lock_guard lock(mutex_);
    // Odd, so that it is no address of anything that malloc gives.
    const std::uintptr_t number = (last_ += 2) + 1;
    objects_[number] = std::move(object);
    return reinterpret_cast<void*>(number);
  }

  /// Null for a handle that is none (any more).
  std::shared_ptr<T> find(void* handle) {
    const std::lock_guard lock(mutex_);
    const auto it = objects_.find(reinterpret_cast<std::uintptr_t>(handle));
    return it == objects_.end() ? nullptr : it->second;
  }

  /// The same, and the handle is none from now on.
  std::shared_ptr<T> take(void* handle) {
    const std::lock_guard lock(mutex_);
    auto node = objects_.extract(reinterpret_cast<std::uintptr_t>(handle));
    return node ? std::move(node.mapped()) : nullptr;
  }

 private:
  template <class Any>
  friend Registry<Any>& registry();

  std::mutex mutex_;
  std::map<std::uintptr_t, std::shared_ptr<T>> objects_;
  std::uintptr_t last_ = 0;
};

/// The process's only one for T. Never destroyed: threads of the host may still call while statics are torn down.
template <class T>
Registry<T>& registry() {
  static Registry<T>* instance = nullptr;
  static const bool made = [] {
    instance = new Registry<T>;
    // The child of a fork has none of the objects: their threads are the parent's.
    at_fork([] { instance->mutex_.lock(); }, [] { instance->mutex_.unlock(); },
            [] {
              const std::uintptr_t last = instance->last_;
              instance = new Registry<T>;
              instance->last_ = last;
              live_objects = 0;
            });
    return true;
  }();
  static_cast<void>(made);
  return *instance;
}

}  // namespace rwkv::capi
