// Which model may take how much memory, decided before it is loaded.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>

#include "base/machine.h"
#include "engine/backend.h"

namespace rwkv {

/// What models take together. A file that several of them map counts once.
class MemoryBooks {
 public:
  /// What `need` adds to it.
  std::uint64_t growth(const std::string& file, const MemoryNeed& need) const;
  void add(const std::string& file, const MemoryNeed& need);
  void remove(const std::string& file, const MemoryNeed& need);

  std::uint64_t mapped() const noexcept { return mapped_; }
  std::uint64_t total() const noexcept { return mapped_ + owned_; }

 private:
  struct Mapping {
    std::uint64_t bytes = 0;
    int users = 0;
  };
  std::map<std::string, Mapping> files_;
  std::uint64_t mapped_ = 0;
  std::uint64_t owned_ = 0;
};

/// A bound for the models of one owner; from any thread.
class MemoryBudget {
 public:
  /// 0: no bound but the machine's memory. What was granted stays granted.
  void set_limit(std::uint64_t bytes);
  std::uint64_t limit() const;
  /// Granted to models and not given back: their weights, states and buffers.
  std::uint64_t granted() const;

 private:
  friend class MemoryGrant;

  std::uint64_t limit_ = 0;
  MemoryBooks books_;
};

/// Memory that a model may take; given back with this.
class MemoryGrant {
 public:
  MemoryGrant() = default;
  /// Throws Error(kOutOfMemory), with all figures, for what neither the machine has nor the budget allows. `budget` may
  /// be null.
  MemoryGrant(std::string file, const MemoryNeed& need, std::shared_ptr<MemoryBudget> budget, const Machine& machine);
  MemoryGrant(MemoryGrant&& other) noexcept { swap(other); }
  MemoryGrant& operator=(MemoryGrant&& other) noexcept {
    MemoryGrant(std::move(other)).swap(*this);
    return *this;
  }
  ~MemoryGrant();

  const MemoryNeed& need() const noexcept { return need_; }

 private:
  void swap(MemoryGrant& other) noexcept;

  std::string file_;  // empty: nothing is granted
  MemoryNeed need_;
  std::shared_ptr<MemoryBudget> budget_;
};

/// Throws Error(kOutOfMemory), with the figures, where the device has less memory of its own than is needed there. What
/// it does not tell is not held against anybody.
void check_device_memory(const std::string& file, const MemoryNeed& need, const Device& device);

}  // namespace rwkv
