// What several of these programs need.
#pragma once

#include <algorithm>
#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "runtime/language_model.h"

namespace rwkv::bench {

using Clock = std::chrono::steady_clock;

inline double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
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
