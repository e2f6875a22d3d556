// One pass over the layers, for rows of several sequences at once.
#pragma once

#include <span>

#include "backends/native/workspace.h"

namespace rwkv::native {

/// Where the parts of a sequence's state lie: for each layer the last inputs of both mixings, `width` values each, then
/// for each head a matrix, head_size x head_size, with keys as rows and values as columns.
struct StateLayout {
  explicit StateLayout(const Geometry& geometry)
      : width(geometry.width), head_size(geometry.head_size), layers(geometry.layers) {}

  std::size_t layer_values() const { return width * (2 + head_size); }
  std::size_t values() const { return layers * layer_values(); }

  std::size_t width, head_size, layers;
};

/// Rows of one sequence that follow each other, and its state, which they change.
struct Segment {
  float* state = nullptr;
  std::size_t first = 0;
  std::size_t count = 0;
};

class Forward {
 public:
  /// All must outlive it.
  Forward(const Weights& weights, Workspace& space, const Kernels& kernels)
      : weights_(weights), space_(space), kernels_(kernels), layout_(weights.geometry()) {}

  /// Takes rows of the embedding from space.in and leaves the last layer's output in space.x. Throws Error(kCancelled),
  /// then the states are spoilt.
  void run(std::span<const Segment> segments, ThreadPool& pool, const CancelToken& cancel);

  /// The last normalisation of a row of space.x; width values.
  void read_hidden(std::size_t row, float* out) const;

  /// The logits of some rows: row i's go to out + i * vocabulary. Throws Error(kCancelled).
  void read_logits(std::span<const std::size_t> rows, float* out, ThreadPool& pool, const CancelToken& cancel);

 private:
  struct Product {
    const PanelMatrix& matrix;
    const Vectors& x;
    float* y;
    std::size_t stride;
    Then then = Then::kSet;
  };
  class Pass;

  const Weights& weights_;
  Workspace& space_;
  const Kernels& kernels_;
  StateLayout layout_;
};

}  // namespace rwkv::native
