// The threads of one model.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

#include "base/cancel.h"

namespace rwkv::native {

/// Threads that share pieces of work with the caller's. Whoever is free takes the next piece, and nobody is waited for
/// who has taken none: a thread that the system does not run costs its own speed and nothing else. Those who wait for
/// work poll for a moment, then sleep.
class ThreadPool {
 public:
  /// With the caller's; 1: no others. Throws Error(kOutOfMemory) where the system refuses a thread.
  explicit ThreadPool(int threads);
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;
  ~ThreadPool();

  int threads() const noexcept { return static_cast<int>(others_.size()) + 1; }

  /// Calls f(piece) once for each piece below `count`, fewer than 4 million, from any of the threads, and returns when
  /// all are done. Once the token is raised what remains is not called. `f` throws nothing.
  template <class F>
  void run(std::size_t count, const CancelToken& cancel, const F& f) {
    const Work work{&f, [](const void* function, std::size_t piece) { (*static_cast<const F*>(function))(piece); },
                    &cancel};
    share(count, work);
  }

  /// Threads that wait for the next run() sleep at once.
  void sleep() noexcept { may_poll_.store(false, std::memory_order_relaxed); }

 private:
  struct Work {
    const void* function = nullptr;
    void (*call)(const void* function, std::size_t piece) = nullptr;
    const CancelToken* cancel = nullptr;
  };

  void share(std::size_t count, const Work& work);
  bool take_and_do_one();
  void serve();
  void wait_for_work(std::uint64_t seen);

  // Of the phase that runs: how many pieces there are and how many are taken, in one word with its number, so that who
  // takes one knows that the phase is still the same. 20, 22 and 22 bits.
  std::atomic<std::uint64_t> phase_{0};
  std::atomic<std::size_t> done_{0};
  Work work_;
  std::atomic<bool> ends_{false};
  std::atomic<bool> may_poll_{true};
  std::atomic<int> sleepers_{0};
  std::mutex mutex_;
  std::condition_variable wake_;
  std::vector<std::thread> others_;
};

}  // namespace rwkv::native
