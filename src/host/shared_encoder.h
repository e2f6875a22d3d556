// A loaded encoder that several models may use.
#pragma once

#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <vector>

#include "engine/encoder.h"
#include "runtime/core_share.h"
#include "runtime/memory_budget.h"

namespace rwkv::host {

/// One encoding at a time; others wait. Takes its turns on the processors beside the models. Safe from any thread.
class SharedEncoder {
 public:
  SharedEncoder(std::unique_ptr<Encoder> encoder, MemoryGrant memory)
      : memory_(std::move(memory)), encoder_(std::move(encoder)), cores_(CoreShare::of_this_machine()) {}

  const EncoderInfo& info() const noexcept { return encoder_->info(); }
  std::size_t count_rows(std::span<const std::byte> file, const std::string& name) const {
    return encoder_->count_rows(file, name);
  }
  /// See Encoder::encode.
  std::vector<float> encode(std::span<const std::byte> file, const std::string& name, const CancelToken& cancel,
                            const std::function<void(float)>& progress);

 private:
  const MemoryGrant memory_;
  const std::unique_ptr<Encoder> encoder_;
  std::timed_mutex turn_;
  CoreShare::Member cores_;
};

}  // namespace rwkv::host
