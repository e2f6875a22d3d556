// The runtime thread's inbox: tasks from any thread, and tasks for later.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <mutex>

namespace rwkv::bridge {

/// Tasks run one after another on the thread that calls run(): what is due by the clock first, then what was posted to
/// no lane, in its order, then the lanes in turn, each in its order. What a task throws is logged and ends that task
/// alone.
class Mailbox {
 public:
  using Clock = std::chrono::steady_clock;
  using Task = std::function<void()>;

  /// From any thread, also from within a task. After stop() tasks are dropped.
  void post(Task task);
  /// The same in a lane, so that a client that floods its own holds nobody else up. `bytes` is what the task holds;
  /// throws Error(kBusy) when that is too much together with what waits in the lane.
  void post_to(std::int64_t lane, std::size_t bytes, Task task);
  /// Drops what waits in a lane.
  void drop_lane(std::int64_t lane);
  /// Runs the task at `time` or soon after.
  void post_at(Clock::time_point time, Task task);

  /// Runs tasks until stop(); those posted before stop() still run, those in lanes and for later do not.
  void run();
  void stop();

 private:
  struct Waiting {
    std::size_t bytes;
    Task task;
  };
  struct Lane {
    std::deque<Waiting> tasks;
    std::size_t bytes = 0;
  };

  Task take_from_lanes();

  std::mutex mutex_;
  std::condition_variable filled_;
  std::deque<Task> tasks_;
  std::map<std::int64_t, Lane> lanes_;  // none is empty
  std::int64_t last_lane_ = 0;          // whose turn it was
  std::multimap<Clock::time_point, Task> later_;
  bool stopped_ = false;
};

}  // namespace rwkv::bridge
