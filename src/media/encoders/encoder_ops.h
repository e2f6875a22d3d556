// What graphs of encoders are made of.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "media/encoders/encoder_weights.h"
#include "media/encoders/graph_plan.h"

namespace rwkv::media {

enum class Activation { kNone, kRelu, kGeluTanh, kGeluErf, kGeluQuick, kSilu };

/// A stage that is being built.
struct Ops {
  ggml_context* context;
  ggml_cgraph* graph;

  ggml_tensor* linear(const Linear& layer, ggml_tensor* x) const;
  ggml_tensor* norm(const Norm& layer, ggml_tensor* x, float epsilon) const;
  /// Of a tensor that nothing else needs.
  ggml_tensor* activate(Activation activation, ggml_tensor* x) const;
  /// Rows [first, first + count) of a matrix without gaps.
  ggml_tensor* rows(ggml_tensor* matrix, std::int64_t first, std::int64_t count) const;
  /// Computes `x` here and puts it into `target`, of the same sizes.
  void store(ggml_tensor* x, ggml_tensor* target) const;
};

/// Which rows of a matrix a row of columns is made of.
struct Gather {
  std::int64_t rows = 0;
  std::int64_t taps = 0;
  std::vector<std::int32_t> sources;  // rows x taps; -1: zeros
  /// The order of a row: a value of each tap, then the next value of each (as torch lays out kernels), or tap after
  /// tap.
  bool interleaved = true;
};

/// How many rows a convolution makes of `rows`, as torch has them, without dilation; 0: there are too few.
std::int64_t convolved_rows(std::int64_t rows, std::int64_t taps, std::int64_t stride, std::int64_t padding);
/// The columns for these.
Gather convolution(std::int64_t rows, std::int64_t taps, std::int64_t stride, std::int64_t padding);
/// Blocks of `factor` x `factor` neighbours of a square picture become rows: row by row of the picture, and row by row
/// in each block.
Gather blocks_of_square(std::int64_t side, std::int64_t factor);

/// Rows [first, first + count) of the columns of `x`: taps x width values each.
ggml_tensor* gather_rows(GraphPlan& plan, const Ops& ops, const Gather* gather, ggml_tensor* x, std::int64_t first,
                         std::int64_t count);

/// `rows` in parts that take no more than some 30 ms of one core, for work of `flops_a_row`.
std::int64_t rows_at_once(std::int64_t rows, double flops_a_row);
/// The number of such parts.
std::size_t parts(std::int64_t rows, std::int64_t at_once);
void for_each_part(std::int64_t rows, std::int64_t at_once,
                   const std::function<void(std::int64_t first, std::int64_t count)>& build);

}  // namespace rwkv::media
