// A thread that runs the jobs of one model.
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

  /// Adds a job, from any thread. Jobs catch their errors; an exception that leaves one is logged and ends that job
  /// alone.
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
