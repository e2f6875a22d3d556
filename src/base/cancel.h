// A flag that one thread raises and another looks at between small pieces of work.
#pragma once

#include <atomic>
#include <memory>

#include "base/error.h"

namespace rwkv {

/// Copies share one flag. Raising it is safe from any thread and from a signal handler.
class CancelToken {
 public:
  CancelToken() : flag_(std::make_shared<std::atomic<bool>>(false)) {}

  void cancel() const noexcept { flag_->store(true, std::memory_order_relaxed); }
  void clear() const noexcept { flag_->store(false, std::memory_order_relaxed); }
  bool cancelled() const noexcept { return flag_->load(std::memory_order_relaxed); }

  /// Throws Error(kCancelled) once the flag is raised.
  void check() const {
    if (cancelled()) throw Error(ErrorCode::kCancelled, "cancelled by the caller");
  }

 private:
  std::shared_ptr<std::atomic<bool>> flag_;
};

}  // namespace rwkv
