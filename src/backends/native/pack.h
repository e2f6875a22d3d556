// Matrices of a file as the panels that the kernels read.
#pragma once

#include <cstddef>
#include <span>

#include "backends/native/kernels/kernels.h"
#include "formats/gguf.h"

namespace rwkv::native {

/// The matrix that a tensor becomes, without its panels: [columns, rows] of a type that packing_of() knows.
/// `by_columns`: it is multiplied by vectors with many zeros, so it lies by columns if its type and size can.
PanelMatrix shape_of(const GgufTensor& tensor, bool by_columns = false);

/// Bytes of all its panels, a multiple of 64.
std::size_t bytes_of(const PanelMatrix& matrix) noexcept;

/// Writes panel `index` of the tensor's matrix; `out` has panel_bytes.
void pack_panel(const GgufTensor& tensor, const PanelMatrix& matrix, std::size_t index, std::byte* out) noexcept;

}  // namespace rwkv::native
