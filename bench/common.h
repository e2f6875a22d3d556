// What several of these programs need.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "runtime/language_model.h"

namespace rwkv::bench {

using Clock = std::chrono::steady_clock;

inline double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

/// Prints how the program is called and ends it: asked for with --help, or where fewer than `least` arguments are
/// given.
inline void end_with_usage(int argc, char** argv, int least, const char* arguments) {
  const bool asked = argc > 1 && (std::strcmp(argv[1], "--help") == 0 || std::strcmp(argv[1], "-h") == 0);
  if (!asked && argc > least) return;
  std::fprintf(asked ? stdout : stderr, "usage: %s %s\n", argv[0], arguments);
  std::exit(asked ? 0 : 2);
}

/// The larger one of the two in the middle. `values` is not empty.
inline double median(std::vector<double> values) {
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

/// Threads 0: chosen from the machine.
inline std::unique_ptr<LanguageModel> load_model(const std::string& path, int threads, int max_sequences) {
  ModelRequest request;
  request.model_path = path;
  request.options.threads = threads;
  request.options.max_sequences = max_sequences;
  return LanguageModel::load(request);
}

}  // namespace rwkv::bench
