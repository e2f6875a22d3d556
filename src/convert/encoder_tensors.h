// Tensors of an encoder's checkpoint, taken one by one into a plan.
#pragma once

#include <cstdint>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "convert/planned_tensor.h"
#include "convert/rwkv_plan.h"
#include "formats/weights.h"

namespace rwkv::convert {

class EncoderTensors {
 public:
  EncoderTensors(const WeightFile& weights, WeightFormat format) : weights_(weights), format_(format) {}

  bool has(const std::string& name) const { return weights_.find(name) != nullptr; }
  /// What stands before `end` in the one name that ends so, at the beginning of a part of it, outside of `without`.
  /// Nothing where no name does; throws Error(kUnsupported) for several.
  std::vector<std::string> prefix_of(std::string_view end, std::string_view without = "\n") const;
  /// The shape of a tensor of `rank` dimensions, the slowest first; throws Error(kBadFile) where it is missing, has
  /// another rank, or a size that is 0 or beyond 2^20.
  std::vector<std::uint64_t> shape(const std::string& name, std::size_t rank) const;
  std::uint32_t layers(const std::string& prefix) const;

  /// Takes a matrix of `rows` rows of `row` values; further dimensions are part of a row.
  void matrix(const std::string& name, const std::string& source, std::uint64_t row, std::uint64_t rows);
  void floats(const std::string& name, const std::string& source, std::uint64_t row, std::uint64_t rows = 1);
  /// NAME.weight, and NAME.bias where it is there or has to be.
  void linear(const std::string& name, const std::string& source, std::uint64_t row, std::uint64_t rows,
              bool needs_bias = true);
  void norm(const std::string& name, const std::string& source, std::uint64_t width);

  /// A tensor that begins with `prefix` and was not taken is a problem, unless the rest of its name begins with one of
  /// `idle`.
  void expect_all_taken(const std::string& prefix, const std::vector<std::string>& idle);
  /// The tensors. Throws Error(kBadFile) with all problems.
  std::vector<PlannedTensor> finish(std::string_view what);

 private:
  void take(const std::string& name, const std::string& source, std::vector<std::uint64_t> dimensions, GgmlType type);

  const WeightFile& weights_;
  const WeightFormat format_;
  std::vector<PlannedTensor> tensors_;
  std::set<std::string> taken_;
  std::vector<std::string> problems_;
};

}  // namespace rwkv::convert
