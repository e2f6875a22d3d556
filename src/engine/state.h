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

/// States are the largest blocks that are made and freed by the hundred, so they have pages of their own.
using StateBytes = std::vector<std::byte, PageAllocator<std::byte>>;

/// What a state is made of, wherever it lies: in memory of the host, or where a device keeps its own. Immutable, in the
/// form of the backend that made it; safe from any thread. It may outlive its model.
class StateData {
 public:
  virtual ~StateData() = default;

  /// Memory that it takes, of the host or of the device.
  virtual std::uint64_t bytes() const noexcept = 0;
  /// A copy in memory of the host. Throws Error(kOutOfMemory, kEvaluation).
  virtual StateBytes to_host() const = 0;
};

/// In memory of the host.
class HostState final : public StateData {
 public:
  explicit HostState(StateBytes bytes) : bytes_(std::move(bytes)) {}

  std::uint64_t bytes() const noexcept override { return bytes_.size(); }
  StateBytes to_host() const override { return bytes_; }
  std::span<const std::byte> host() const noexcept { return bytes_; }

 private:
  const StateBytes bytes_;
};

/// Everything a sequence remembers after `position` tokens. A handle: copies share the data. A default-constructed
/// State is the zero state.
class State {
 public:
  State() = default;
  State(std::shared_ptr<const StateData> data, std::int64_t position) : data_(std::move(data)), position_(position) {}
  State(StateBytes bytes, std::int64_t position)
      : State(std::make_shared<const HostState>(std::move(bytes)), position) {}

  /// Number of tokens that led here.
  std::int64_t position() const noexcept { return position_; }
  bool is_zero() const noexcept { return position_ == 0; }

  /// Those of the data; 0 and empty for the zero state.
  std::uint64_t bytes() const noexcept { return data_ ? data_->bytes() : 0; }
  StateBytes to_host() const { return data_ ? data_->to_host() : StateBytes(); }

  /// For a backend: the data as its own type, or null where another backend made the state.
  template <class Data>
  const Data* as() const noexcept {
    return dynamic_cast<const Data*>(data_.get());
  }

 private:
  std::shared_ptr<const StateData> data_;
  std::int64_t position_ = 0;
};

}  // namespace rwkv
