// An evaluation that is cancelled while it goes on.
#pragma once

#include <gtest/gtest.h>

#include <chrono>
#include <thread>
#include <vector>

#include "engine/model.h"

namespace rwkv::test {

/// Cancels after `delay` from a thread of its own; the destructor waits for that.
class LaterCancel {
 public:
  using Clock = std::chrono::steady_clock;

  LaterCancel(const CancelToken& cancel, std::chrono::microseconds delay)
      : thread_([this, cancel, delay] {
          std::this_thread::sleep_for(delay);
          time_ = Clock::now();
          cancel.cancel();
        }) {}
  ~LaterCancel() {
    if (thread_.joinable()) thread_.join();
  }

  /// Waits for it and says when it was.
  Clock::time_point wait() {
    thread_.join();
    return time_;
  }

 private:
  Clock::time_point time_;
  std::thread thread_;  // last: it sets the others
};

/// Evaluates; whether that ended as cancelled. Any other error is a test failure.
inline bool is_cancelled(Model& model, std::vector<EvalItem>& items, const CancelToken& cancel) {
  try {
    model.evaluate(items, cancel);
    return false;
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kCancelled) << error.what();
    return true;
  }
}

}  // namespace rwkv::test
