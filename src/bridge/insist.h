// What must happen although it needs memory that may be lacking.
#pragma once

#include <chrono>
#include <new>
#include <thread>

namespace rwkv::bridge {

/// Runs `function` until it does not lack memory. For a worker's news that a job has ended: without it a model would stay
/// busy for ever, while memory comes back as other jobs end. `function` must be one that can begin anew.
template <class Function>
void insist(const Function& function) {
  while (true) {
    try {
      return function();
    } catch (const std::bad_alloc&) {
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
  }
}

}  // namespace rwkv::bridge
