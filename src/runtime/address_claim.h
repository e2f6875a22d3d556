// Address space for a model, claimed while it is being loaded.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "base/machine.h"
#include "engine/backend.h"

namespace rwkv {

/// Until a load has taken the addresses that it was promised, they are not promised to another.
class AddressClaim {
 public:
  /// Throws Error(kOutOfMemory), with figures, where the limits of this process (Machine::address_bytes, data_bytes) do
  /// not leave what is needed.
  AddressClaim(const std::string& file, const MemoryNeed& need, const std::function<Machine()>& inspect);
  AddressClaim(const AddressClaim&) = delete;
  AddressClaim& operator=(const AddressClaim&) = delete;
  ~AddressClaim();

 private:
  std::uint64_t bytes_ = 0;
};

}  // namespace rwkv
