// Converts tensors piece by piece on several threads.
#pragma once

#include <functional>
#include <span>

#include "base/atomic_file.h"
#include "base/cancel.h"
#include "convert/checkpoint.h"
#include "convert/planned_tensor.h"

namespace rwkv::convert {

struct WriteOptions {
  int threads = 0;  // 0: as many as the machine has processors, 16 at most
  CancelToken cancel;
  std::function<void(float)> progress;  // 0 to 1, on the calling thread; may be empty
};

/// Reads the tensors' parts, which lie in `source`, and writes each to its offset. Memory: about 2 MB a thread; of the
/// source and the output nothing stays. Throws Error(kBadFile) naming the storage whose checksum is wrong, or the
/// tensor for values that are not finite or that the type cannot hold, Error(kIo), and Error(kCancelled).
void write_tensors(const Checkpoint& source, std::span<const PlannedTensor> tensors, AtomicFile& out,
                   const WriteOptions& options);

}  // namespace rwkv::convert
