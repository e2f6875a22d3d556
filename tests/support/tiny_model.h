// Random models in a file of their own, loaded with the llama.cpp backend.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <memory>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "backends/llama_cpp/llama_cpp_backend.h"
#include "support/scratch.h"
#include "support/tiny_rwkv.h"

namespace rwkv::test {

using Logits = std::vector<float>;

inline std::unique_ptr<Model> load_file(const std::string& path, const LoadOptions& options = {}) {
  return make_llama_cpp_backend()->load(ModelSource(path), options);
}

inline std::unique_ptr<Model> load_bytes(const std::string& bytes, const LoadOptions& options = {}) {
  const ScratchFolder folder;
  const std::string path = (folder.path() / "model.gguf").string();
  write_file(path, bytes);
  return load_file(path, options);  // the mapping outlives the name
}

inline LoadOptions one_thread(int sequences = 16) {
  LoadOptions options;
  options.threads = 1;
  options.max_sequences = sequences;
  return options;
}

inline std::unique_ptr<Model> load_tiny(const TinyShape& shape, std::uint32_t type = kF32, std::uint32_t seed = 1,
                                        const LoadOptions& options = one_thread()) {
  return load_bytes(TinyRwkv(shape, seed).gguf(type).bytes(), options);
}

inline TinyShape shape_of(int version) {
  TinyShape shape;
  shape.version = version;
  return shape;
}

inline Tokens random_tokens(std::size_t count, int vocabulary, std::uint32_t seed) {
  std::mt19937 random(seed);
  Tokens tokens(count);
  for (TokenId& token : tokens) token = static_cast<TokenId>(random() % static_cast<unsigned>(vocabulary));
  return tokens;
}

/// The logits after `tokens`, in one evaluation.
inline Logits feed(Model& model, Sequence& sequence, const Tokens& tokens, const CancelToken& cancel = {}) {
  EvalItem item{.sequence = &sequence, .tokens = tokens};
  model.evaluate(std::span(&item, 1), cancel);
  return {item.output.begin(), item.output.end()};
}

/// The largest difference, relative to the largest of the expected logits.
template <class Expected>
double distance(const Logits& got, const Expected& expected) {
  if (got.size() != expected.size()) return INFINITY;
  double scale = 0;
  double difference = 0;
  for (std::size_t i = 0; i < got.size(); ++i) {
    scale = std::max(scale, std::fabs(static_cast<double>(expected[i])));
    const double d = std::fabs(static_cast<double>(got[i]) - static_cast<double>(expected[i]));
    if (!(d <= difference)) difference = d;  // NaN stays
  }
  return difference / scale;
}

template <class Call>
void expect_error(ErrorCode code, const std::string& part, Call&& call) {
  try {
    call();
    ADD_FAILURE() << "nothing thrown, expected " << to_string(code) << ": " << part;
  } catch (const Error& error) {
    EXPECT_EQ(to_string(error.code()), to_string(code)) << error.what();
    EXPECT_NE(std::string(error.what()).find(part), std::string::npos) << error.what();
  }
}

}  // namespace rwkv::test
