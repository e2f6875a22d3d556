// What other threads tell the thread of the connections.
#pragma once

#include <cstddef>
#include <cstdint>
#include <mutex>
#include <utility>
#include <variant>
#include <vector>

#include "server/api_error.h"
#include "server/routes.h"
#include "server/sockets.h"

namespace rwkv::server {

class LoopMail {
 public:
  /// What a request led to.
  struct Prepared {
    std::uint64_t connection = 0;
    std::variant<Answer, ApiError> outcome = HttpResponse{500, {}, {}};
  };
  struct Letters {
    std::vector<std::uint64_t> news;  // of the exchanges of these connections
    bool of_all = false;
    std::vector<Prepared> prepared;
  };

  void tell_news(std::uint64_t connection) noexcept {
    const std::lock_guard lock(mutex_);
    try {
      letters_.news.push_back(connection);
    } catch (...) {
      letters_.of_all = true;
    }
    wake();
  }
  /// Before each tell_prepared(), which then has room.
  void expect_prepared() {
    const std::lock_guard lock(mutex_);
    letters_.prepared.reserve(expected_ + 1);
    ++expected_;
  }
  void tell_prepared(Prepared prepared) noexcept {
    const std::lock_guard lock(mutex_);
    letters_.prepared.push_back(std::move(prepared));
    wake();
  }
  void tell_to_look() noexcept {
    const std::lock_guard lock(mutex_);
    wake();
  }

  SocketHandle handle() const noexcept { return waker_.handle(); }
  Letters take() {
    const std::lock_guard lock(mutex_);
    Letters taken;
    taken.prepared.reserve(expected_);
    if (std::exchange(is_awake_, false)) waker_.clear();
    std::swap(taken, letters_);
    expected_ -= taken.prepared.size();
    return taken;
  }

 private:
  void wake() noexcept {
    if (!std::exchange(is_awake_, true)) waker_.wake();
  }

  std::mutex mutex_;
  Letters letters_;
  std::size_t expected_ = 0;
  bool is_awake_ = false;
  Waker waker_;
};

}  // namespace rwkv::server
