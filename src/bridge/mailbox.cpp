#include "bridge/mailbox.h"

#include <exception>
#include <utility>

#include "base/error.h"
#include "base/log.h"

namespace rwkv::bridge {
namespace {

// What may wait in a lane: some 400,000 small requests. One that waits alone may be larger.
constexpr std::size_t kMostLaneBytes = std::size_t{64} << 20;
// What a task takes beside what it holds.
constexpr std::size_t kTaskBytes = 128;

// One task that fails, for want of memory say, ends neither the thread nor the process. What it holds goes here,
// outside of the mailbox's lock.
// NOLINTNEXTLINE(performance-unnecessary-value-param)
void run_task(std::function<void()> task) noexcept {
  try {
    task();
  } catch (const std::exception& error) {
    log::error(error.what());
  } catch (...) {
    log::error("a task of the runtime's thread failed");
  }
}

}  // namespace

void Mailbox::post(Task task) {
  {
    const std::lock_guard lock(mutex_);
    if (stopped_) return;
    tasks_.push_back(std::move(task));
  }
  filled_.notify_one();
}

void Mailbox::post_to(std::int64_t lane, std::size_t bytes, Task task) {
  bytes += kTaskBytes;
  {
    const std::lock_guard lock(mutex_);
    if (stopped_) return;
    const auto to = lanes_.try_emplace(lane).first;
    Lane& waiting = to->second;
    if (!waiting.tasks.empty() && waiting.bytes + bytes > kMostLaneBytes) {
      throw Error(ErrorCode::kBusy, "too many requests of this port wait; send more when some have been answered");
    }
    try {
      waiting.tasks.push_back({bytes, std::move(task)});
    } catch (...) {
      if (waiting.tasks.empty()) lanes_.erase(to);
      throw;
    }
    waiting.bytes += bytes;
  }
  filled_.notify_one();
}

void Mailbox::drop_lane(std::int64_t lane) {
  decltype(lanes_)::node_type dropped;  // goes outside of the lock
  const std::lock_guard lock(mutex_);
  dropped = lanes_.extract(lane);
}

// With the lock; there is one.
Mailbox::Task Mailbox::take_from_lanes() {
  auto lane = lanes_.upper_bound(last_lane_);
  if (lane == lanes_.end()) lane = lanes_.begin();
  last_lane_ = lane->first;
  Lane& from = lane->second;
  Task task = std::move(from.tasks.front().task);
  from.bytes -= from.tasks.front().bytes;
  from.tasks.pop_front();
  if (from.tasks.empty()) lanes_.erase(lane);
  return task;
}

void Mailbox::post_at(Clock::time_point time, Task task) {
  {
    const std::lock_guard lock(mutex_);
    if (stopped_) return;
    later_.emplace(time, std::move(task));
  }
  filled_.notify_one();
}

void Mailbox::run() {
  std::unique_lock lock(mutex_);
  while (true) {
    Task task;
    // What is due goes first: a stream's text is not held up by a flood of requests.
    if (!later_.empty() && later_.begin()->first <= Clock::now()) {
      task = std::move(later_.begin()->second);
      later_.erase(later_.begin());
    } else if (!tasks_.empty()) {
      task = std::move(tasks_.front());
      tasks_.pop_front();
    } else if (stopped_) {
      return;
    } else if (!lanes_.empty()) {
      task = take_from_lanes();
    } else if (later_.empty()) {
      filled_.wait(lock);
    } else {
      // A copy: the wait reads it once more after stop() may have cleared the list.
      const Clock::time_point next = later_.begin()->first;
      filled_.wait_until(lock, next);
    }
    if (!task) continue;
    lock.unlock();
    run_task(std::move(task));
    lock.lock();
  }
}

void Mailbox::stop() {
  {
    const std::lock_guard lock(mutex_);
    stopped_ = true;
    later_.clear();
  }
  filled_.notify_one();
}

}  // namespace rwkv::bridge
