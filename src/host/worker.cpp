#include "host/worker.h"

#include <utility>

#include "base/error_of.h"
#include "base/log.h"

namespace rwkv::host {

Worker::Worker() : thread_([this] { run(); }) {}

Worker::~Worker() {
  {
    const std::lock_guard lock(mutex_);
    stopped_ = true;
    jobs_.clear();
  }
  filled_.notify_one();
  thread_.join();
}

void Worker::post(Job job) {
  {
    const std::lock_guard lock(mutex_);
    jobs_.push_back(std::move(job));
  }
  filled_.notify_one();
}

void Worker::run() {
  std::unique_lock lock(mutex_);
  while (true) {
    filled_.wait(lock, [this] { return stopped_ || !jobs_.empty(); });
    if (stopped_) return;
    Job job = std::move(jobs_.front());
    jobs_.pop_front();
    lock.unlock();
    if (const auto error = error_of(job)) log::error(error->what());
    job = nullptr;  // what it holds goes outside of the lock
    lock.lock();
  }
}

}  // namespace rwkv::host
