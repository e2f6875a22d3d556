// A thread that does one model's work.
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>

namespace rwkv::host {

/// Runs jobs one after another. Destroying it waits for the job that is running and drops the others.
class Worker {
 public:
  using Job = std::function<void()>;

  Worker();
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;
  ~Worker();

  /// Jobs catch what they may meet: what one throws is logged and ends that job alone. From any thread.
  void post(Job job);

 private:
  void run();

  std::mutex mutex_;
  std::condition_variable filled_;
  std::deque<Job> jobs_;
  bool stopped_ = false;
  std::thread thread_;
};

}  // namespace rwkv::host
