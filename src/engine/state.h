// RWKV's memory of a text as a value.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <utility>
#include <vector>

#include "base/page_allocator.h"

namespace rwkv {

/// The largest blocks that come and go by the hundred.
using StateBytes = std::vector<std::byte, PageAllocator<std::byte>>;

/// Everything a sequence remembers after `position` tokens, in the form of the backend that made it. Immutable; copies
/// share the bytes. A default-constructed State is the zero state.
class State {
 public:
  State() = default;
  State(StateBytes bytes, std::int64_t position)
      : bytes_(std::make_shared<const StateBytes>(std::move(bytes))), position_(position) {}

  /// Number of tokens that led here.
  std::int64_t position() const noexcept { return position_; }
  std::span<const std::byte> bytes() const noexcept {
    return bytes_ ? std::span<const std::byte>(*bytes_) : std::span<const std::byte>();
  }
  bool is_zero() const noexcept { return position_ == 0; }

 private:
  std::shared_ptr<const StateBytes> bytes_;
  std::int64_t position_ = 0;
};

}  // namespace rwkv
