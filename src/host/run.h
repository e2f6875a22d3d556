// A generation that its model has admitted.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include "base/cancel.h"
#include "host/text_stream.h"

namespace rwkv::host {

/// Safe from any thread. Its text stays readable after its end.
struct Run {
  explicit Run(std::size_t slots, bool keep_steps = false, CancelToken ended_by = {})
      : id(next_id()), stream(slots, keep_steps), cancel(std::move(ended_by)) {}

  const std::int64_t id;  // unique in the process, from 1 on
  TextStream stream;
  const CancelToken cancel;
  /// Set when the run has ended, in the order of the tasks; empty where it could not begin.
  std::vector<GenerationResult> results;

 private:
  static std::int64_t next_id() noexcept {
    static std::atomic<std::int64_t> last{0};
    return ++last;
  }
};

}  // namespace rwkv::host
