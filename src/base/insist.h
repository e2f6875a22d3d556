// What must happen although it needs memory that may be lacking.
#pragma once

#include <chrono>
#include <new>
#include <system_error>
#include <thread>

namespace rwkv {

/// Runs `function` until it lacks neither memory nor a thread. For news that a job has ended, which nothing else tells:
/// without it a model would stay busy for ever, while memory comes back as other jobs end. `function` must be one that
/// can begin anew.
template <class Function>
void insist(const Function& function) {
  while (true) {
    try {
      return function();
    } catch (const std::bad_alloc&) {
    } catch (const std::system_error&) {
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
}

/// The same for as long as a moment of want may last, on the thread that all clients wait for. What is lacking after
/// that is thrown.
template <class Function>
void insist_a_while(const Function& function) {
  for (int tries = 100; tries > 0; --tries) {
    try {
      return function();
    } catch (const std::bad_alloc&) {
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
  }
  function();
}

}  // namespace rwkv
