// Address space for a model, claimed while it is being loaded.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "base/cancel.h"
#include "base/machine.h"
#include "engine/backend.h"

namespace rwkv {

/// Until a load has taken the addresses that it was promised, they are not promised to another.
class AddressClaim {
 public:
  /// Waits where the limits of this process (Machine::address_bytes, data_bytes) leave what is needed, but part of it
  /// is promised to loads that go on: they may take less. Throws Error(kOutOfMemory), with figures, where the limits do
  /// not leave it, and Error(kCancelled).
  AddressClaim(const std::string& file, const MemoryNeed& need, const std::function<Machine()>& inspect,
               const CancelToken& cancel);
  AddressClaim(const AddressClaim&) = delete;
  AddressClaim& operator=(const AddressClaim&) = delete;
  ~AddressClaim();

 private:
  std::uint64_t bytes_ = 0;
};

}  // namespace rwkv
