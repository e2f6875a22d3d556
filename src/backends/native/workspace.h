// Memory for the rows (tokens of any sequences) that are computed together.
#pragma once

#include <cstdint>

#include "backends/native/pages.h"
#include "backends/native/weights.h"

namespace rwkv::native {

/// Rows x length values, row-major.
struct Rows {
  float* values = nullptr;
  std::size_t length = 0;

  float* operator[](std::size_t row) const { return values + row * length; }
};

/// The forms that matrices want their vectors in.
struct Forms {
  std::size_t length = 0;
  bool floats = false;
  bool blocks = false;
  bool nonzero = false;

  void serve(const PanelMatrix& matrix) {
    if (matrix.panels == nullptr) return;
    length = matrix.columns;
    (is_float(matrix.packing) ? floats : blocks) = true;
    nonzero = nonzero || matrix.by_columns;
  }
};

class Workspace {
 public:
  /// Throws std::bad_alloc.
  Workspace(const Weights& weights, std::size_t rows);

  std::size_t rows() const noexcept { return rows_; }

  Rows x, in, r, w, k, v, a, g, residual, first_value, y, hidden;
  Rows decay_rank, rate_rank, residual_rank, gate_rank;  // W1 x of the LoRAs
  Vectors to_receptance, to_decay, to_key, to_value, to_rate, to_gate;
  Vectors to_decay_second, to_rate_second, to_residual_second, to_gate_second, to_output;
  Vectors to_feed_forward_key, to_feed_forward_value, to_head;

 private:
  class Layout;

  void lay_out(const Weights& weights, Layout& layout);

  std::size_t rows_;
  Pages memory_;
};

/// Bytes that a workspace of so many rows takes at most, by the sizes alone.
std::uint64_t workspace_bytes(const Geometry& geometry, std::size_t ranks, std::size_t rows);

/// How many rows are worth computing together: enough to use each weight many times, in memory that does not show.
std::size_t rows_at_once(const Geometry& geometry);

}  // namespace rwkv::native
