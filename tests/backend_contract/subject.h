// What the contract of src/engine is proved for: backends with a kind of model file each.
#pragma once

#include <gtest/gtest.h>

#include <iosfwd>
#include <memory>
#include <string>
#include <vector>

#include "engine/backend.h"
#include "support/tiny_model.h"

namespace rwkv::test {

inline constexpr std::uint32_t kQ8_0 = 8;

/// What a backend is excused from. Each is said here and nowhere else; what ModelInfo says (embeddings, all logits,
/// hidden states, stable chunks, decode as prefill) is a trait as well, which the tests read from there.
struct Traits {
  /// Its numbers are those of RWKV's equations, within `tolerance` of the largest logit; 0: it computes nothing.
  double tolerance = 0;
  /// As far apart logits may be where the order of sums differs.
  double order_tolerance = 0;
  /// Threads besides the caller's compute.
  bool uses_threads = true;
  /// Its model is its file: one that is cut, damaged or written over while it is loaded is noticed.
  bool reads_weights = true;
  /// A state with a flipped bit is refused.
  bool checks_states = true;
  /// Loads until a leak or a handle too many shows.
  int loads = 1000;
};

struct Subject {
  std::string label;          // in the tests' names
  const Backend* backend;     // lives as long as the process
  int version = 7;            // of RWKV; 0: none
  std::uint32_t type = kF32;  // of matrices, as ggml numbers them
  Traits traits;

  /// A small model's file. Files of other seeds hold other weights in the same shapes under the same name.
  std::string file(std::uint32_t seed = 1) const;
  /// Rows of embeddings that stand for the tokens in that model.
  std::vector<float> embeddings_of(const Tokens& tokens) const;
  /// The shape of that model. Not for version 0.
  TinyShape shape() const { return shape_of(version); }
};

std::ostream& operator<<(std::ostream& out, const Subject& subject);

/// All of them: every backend that is linked in, and the reference plugin.
const std::vector<Subject>& subjects();

/// A test for each subject.
class Contract : public testing::TestWithParam<Subject> {
 protected:
  const Backend& backend() const { return *GetParam().backend; }
  const Traits& traits() const { return GetParam().traits; }
  /// Writes the file's bytes to a path of its own and loads it; the file stays until the test ends.
  std::string write(const std::string& bytes);
  std::unique_ptr<Model> load(std::uint32_t seed = 1, int sequences = 4);
  std::unique_ptr<Model> load_path(const std::string& path, const LoadOptions& options);

  ScratchFolder folder_;

 private:
  int files_ = 0;
};

/// Instantiates the tests of a fixture that is `Contract` or made from it.
#define FOR_ALL_BACKENDS(fixture)                                            \
  INSTANTIATE_TEST_SUITE_P(Backends, fixture, testing::ValuesIn(subjects()), \
                           [](const auto& test) { return test.param.label; })

}  // namespace rwkv::test
