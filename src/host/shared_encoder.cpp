#include "host/shared_encoder.h"

#include <chrono>

namespace rwkv::host {
namespace {

// How soon who waits for its turn notices that it is cancelled.
constexpr std::chrono::milliseconds kLook{10};

}  // namespace

std::vector<float> SharedEncoder::encode(std::span<const std::byte> file, const std::string& name,
                                         const CancelToken& cancel, const std::function<void(float)>& progress) {
  std::unique_lock turn(turn_, std::defer_lock);
  while (!turn.try_lock_for(kLook)) cancel.check();
  EncodeOptions options;
  options.cancel = cancel;
  options.progress = progress;
  options.on_cores = [&](int threads, const std::function<void()>& piece) {
    if (!cores_.acquire(threads, [&] { return cancel.cancelled(); })) cancel.check();
    try {
      piece();
    } catch (...) {
      cores_.release();
      throw;
    }
    cores_.release();
  };
  std::vector<float> rows = encoder_->encode(file, name, options);
  cores_.rest();
  return rows;
}

}  // namespace rwkv::host
