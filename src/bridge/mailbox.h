// The runtime thread's inbox: tasks from any thread, and tasks for later.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <mutex>

namespace rwkv::bridge {

/// Tasks run one after another on the thread that calls run(), in the order in which they were posted; one that throws
/// is the poster's defect, so tasks catch what they may meet.
class Mailbox {
 public:
  using Clock = std::chrono::steady_clock;
  using Task = std::function<void()>;

  /// From any thread, also from within a task. After stop() tasks are dropped.
  void post(Task task);
  /// Runs the task at `time` or soon after.
  void post_at(Clock::time_point time, Task task);

  /// Runs tasks until stop(); those posted before stop() still run, those for later do not.
  void run();
  void stop();

 private:
  std::mutex mutex_;
  std::condition_variable filled_;
  std::deque<Task> tasks_;
  std::multimap<Clock::time_point, Task> later_;
  bool stopped_ = false;
};

}  // namespace rwkv::bridge
