#include "runtime/address_claim.h"

#include <chrono>
#include <condition_variable>
#include <mutex>

#include "base/error.h"

namespace rwkv {
namespace {

// The allocator's own reserve for a thread that is new, which one load may take beside another.
constexpr std::uint64_t kArenaBytes = std::uint64_t{128} << 20;

struct Claims {
  std::mutex mutex;
  std::condition_variable changed;
  std::uint64_t bytes = 0;
};

Claims& claims() {
  static auto* all = new Claims;
  return *all;
}

std::string megabytes(std::uint64_t bytes) { return std::to_string((bytes + (1u << 20) - 1) >> 20) + " MB"; }

void refuse(const std::string& file, const MemoryNeed& need, std::uint64_t needed, std::uint64_t left,
            const std::string& kind, const std::string& option) {
  throw Error(ErrorCode::kOutOfMemory,
              "'" + file + "' needs " + megabytes(needed) + " of " + kind + " space to load (memory " +
                  megabytes(need.total()) + "), more than the limits of this process leave: " + megabytes(left) +
                  "; release a model, raise the limit (ulimit " + option + ") or use a smaller one",
              file);
}

}  // namespace

AddressClaim::AddressClaim(const std::string& file, const MemoryNeed& need, const std::function<Machine()>& inspect,
                           const CancelToken& cancel) {
  constexpr std::chrono::milliseconds kLookAtCancel{20};
  // A second model of one file maps it once more.
  const std::uint64_t written = need.owned + need.reserved;
  const std::uint64_t all = need.mapped + written;
  const auto fits = [](std::uint64_t bytes, std::uint64_t left) { return left == 0 || bytes <= left; };
  std::unique_lock lock(claims().mutex);
  while (true) {
    cancel.check();
    const Machine machine = inspect();
    if (!fits(all, machine.address_bytes)) refuse(file, need, all, machine.address_bytes, "address", "-v");
    if (!fits(written, machine.data_bytes)) refuse(file, need, written, machine.data_bytes, "data", "-d");
    const std::uint64_t promised = claims().bytes;
    if (fits(all + promised, machine.address_bytes) && fits(written + promised, machine.data_bytes)) break;
    const auto other = [&] { return claims().bytes != promised || cancel.cancelled(); };
    while (!claims().changed.wait_for(lock, kLookAtCancel, other)) {
    }
  }
  bytes_ = all + kArenaBytes;
  claims().bytes += bytes_;
}

AddressClaim::~AddressClaim() {
  {
    const std::lock_guard lock(claims().mutex);
    claims().bytes -= bytes_;
  }
  claims().changed.notify_all();
}

}  // namespace rwkv
