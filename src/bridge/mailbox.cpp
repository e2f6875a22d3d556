#include "bridge/mailbox.h"

#include <exception>
#include <utility>

#include "base/log.h"

namespace rwkv::bridge {
namespace {

// One task that fails, for want of memory say, ends neither the thread nor the process.
void run_task(const std::function<void()>& task) noexcept {
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
    // What is due goes first: a stream's text is not held up by a flood of requests.
    if (!later_.empty() && later_.begin()->first <= Clock::now()) {
      const Task task = std::move(later_.begin()->second);
      later_.erase(later_.begin());
      lock.unlock();
      run_task(task);
      lock.lock();
    } else if (!tasks_.empty()) {
      const Task task = std::move(tasks_.front());
      tasks_.pop_front();
      lock.unlock();
      run_task(task);
      lock.lock();
    } else if (stopped_) {
      return;
    } else if (later_.empty()) {
      filled_.wait(lock);
    } else {
      // A copy: the wait reads it once more after stop() may have cleared the list.
      const Clock::time_point next = later_.begin()->first;
      filled_.wait_until(lock, next);
    }
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
