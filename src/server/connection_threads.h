// The threads that serve connections. Included by http_server.cpp alone.
#pragma once

#include <httplib.h>

#include <condition_variable>
#include <cstddef>
#include <deque>
#include <functional>
#include <mutex>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

namespace rwkv::server {

/// Makes a thread when a connection comes and none is free, up to a number; further connections wait. (httplib's own
/// pool counts threads that have not woken yet as free, so that in a burst connections wait behind long answers; and it
/// lets the process end where the system has no more threads.)
class ConnectionThreads final : public httplib::TaskQueue {
 public:
  ConnectionThreads(std::size_t most, std::size_t most_waiting) : most_(most), most_waiting_(most_waiting) {}

  /// False: the connection is closed unserved.
  bool enqueue(std::function<void()> job) override {
    const std::lock_guard lock(mutex_);
    if (jobs_.size() >= free_ + most_waiting_) return false;
    if (jobs_.size() >= free_ && threads_.size() < most_ && !add_thread() && threads_.empty()) return false;
    jobs_.push_back(std::move(job));
    filled_.notify_one();
    return true;
  }

  /// Serves those that wait and ends.
  void shutdown() override {
    {
      const std::lock_guard lock(mutex_);
      stopped_ = true;
    }
    filled_.notify_all();
    for (std::thread& thread : threads_) thread.join();
  }

 private:
  bool add_thread() {
    try {
      threads_.emplace_back([this] { run(); });
      return true;
    } catch (const std::system_error&) {
      return false;  // those there are will have to do
    }
  }

  void run() {
    std::unique_lock lock(mutex_);
    while (true) {
      ++free_;
      filled_.wait(lock, [&] { return stopped_ || !jobs_.empty(); });
      --free_;
      if (jobs_.empty()) return;
      const std::function<void()> job = std::move(jobs_.front());
      jobs_.pop_front();
      lock.unlock();
      job();
      lock.lock();
    }
  }

  const std::size_t most_;
  const std::size_t most_waiting_;
  std::mutex mutex_;
  std::condition_variable filled_;
  std::deque<std::function<void()>> jobs_;
  std::vector<std::thread> threads_;
  std::size_t free_ = 0;  // threads that wait for a job
  bool stopped_ = false;
};

}  // namespace rwkv::server
