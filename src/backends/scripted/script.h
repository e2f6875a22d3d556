// What a scripted model says: a small JSON file instead of weights.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace rwkv {

/// A script, for tests of user interfaces without a model file:
///
///   {"rwkv_script": 1,
///    "name": "test double",
///    "load_ms": 200,                       time to load, with progress
///    "load_error": "no such luck",         fail to load with this message
///    "needs_mb": 100, "threads": 8,        memory and threads that it pretends to need
///    "prefill_us": 50, "decode_us": 2000,  microseconds a prompt token, and a step
///    "fail_after": 100,                    the evaluation of this many tokens in a sequence fails
///    "replies": [{"when": "weather", "say": "Sunny."}, {"say": "I only know the weather."}]}
///
/// Everything but `rwkv_script` is optional. The first reply whose `when` occurs in the last user message is given; one
/// without `when` always fits.
struct Script {
  struct Reply {
    std::string when;
    std::string say;
  };

  std::string name = "scripted model";
  int load_ms = 0;
  std::string load_error;
  int needs_mb = 0;
  int threads = 1;
  int prefill_us = 0;
  int decode_us = 0;
  std::int64_t fail_after = -1;
  std::vector<Reply> replies;

  /// Throws Error(kBadFile) naming the file and the field.
  static Script parse(std::string_view text, const std::string& file);

  /// The byte that follows `text` (a rendered chat or completion, the answer so far included), or -1 for the end of the
  /// answer.
  int next_byte(std::string_view text) const;
};

}  // namespace rwkv
