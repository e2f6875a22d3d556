// A tensor of an output file and where its values come from.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "formats/ggml_type.h"
#include "formats/weights.h"

namespace rwkv::convert {

/// Values of a checkpoint's tensor in another order: sizes and strides (in elements), the fastest dimension first,
/// without dimensions of one. A single value has one dimension of one.
struct SourceView {
  DataType type = DataType::kF32;  // one that is_float()
  std::span<const std::byte> data;
  std::vector<std::uint64_t> sizes;
  std::vector<std::uint64_t> strides;
  std::shared_ptr<const Packing> packing;  // as in WeightTensor

  /// The bytes that `elements` consecutive elements from `first` on are in, or a few more.
  std::span<const std::byte> bytes_of(std::uint64_t first, std::uint64_t elements) const;
};

/// All of the tensor in its own order.
SourceView view_of(const WeightTensor& tensor);
/// With the two fastest dimensions exchanged; of a vector, itself.
SourceView transposed(SourceView view);

struct PlannedTensor {
  std::string name;
  std::vector<std::uint64_t> dimensions;  // the contiguous one first
  GgmlType type = GgmlType::kF32;
  std::vector<SourceView> parts;  // one after the other, of equal sizes
  float scale = 1;
  std::uint64_t offset = 0;  // of its data in the output file

  std::uint64_t row_length() const { return parts.front().sizes.front(); }
  std::uint64_t rows() const;
  std::uint64_t row_bytes() const;
  std::uint64_t bytes() const { return rows() * row_bytes(); }

  /// The rows from `first` on, as many as fit into `out`, whose size is a multiple of row_length().
  void read_rows(std::uint64_t first, std::span<float> out) const;
  /// What of the source `count` rows from `first` on are made of, or a little more.
  std::vector<std::span<const std::byte>> source_bytes(std::uint64_t first, std::uint64_t count) const;
};

}  // namespace rwkv::convert
