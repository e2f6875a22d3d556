// Thoughts apart from the answer proper, for clients that look for them in `reasoning_content`.
#pragma once

#include <string>
#include <string_view>

namespace rwkv::server {

/// Takes an answer in pieces and parts `<think>...</think>` at its start from the rest. White space around either part
/// goes; a piece that may still turn out to belong to a tag waits.
class ThinkingSplit {
 public:
  struct Parts {
    std::string thoughts;
    std::string content;
  };

  Parts push(std::string_view text);
  /// The answer has ended: what waited.
  Parts finish();

 private:
  enum class Phase { kStart, kOpened, kThoughts, kClosed, kContent };

  Phase phase_ = Phase::kStart;
  std::string held_;
  bool has_thoughts_ = false;
};

}  // namespace rwkv::server
