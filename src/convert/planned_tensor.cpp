#include "convert/planned_tensor.h"

#include <algorithm>
#include <functional>
#include <numeric>
#include <utility>

#include "formats/floats.h"
#include "formats/packed_floats.h"

namespace rwkv::convert {
namespace {

std::uint64_t product(const std::vector<std::uint64_t>& sizes) {
  return std::accumulate(sizes.begin(), sizes.end(), std::uint64_t{1}, std::multiplies<>());
}

/// `count` values whose distance is `stride` elements.
void read_values(const SourceView& view, std::uint64_t first, std::uint64_t stride, std::span<float> out) {
  if (view.packing) {
    const std::uint64_t at_once = stride == 1 ? out.size() : 1;
    for (std::uint64_t i = 0; i < out.size(); i += at_once) {
      decode_packed(*view.packing, view.data, first + i * stride,
                    out.subspan(static_cast<std::size_t>(i), static_cast<std::size_t>(at_once)));
    }
    return;
  }
  const std::size_t size = data_type_bytes(view.type);
  const std::byte* from = view.data.data() + first * size;
  if (stride == 1) return decode_floats(view.type, from, out);
  for (std::size_t i = 0; i < out.size(); ++i) decode_floats(view.type, from + i * stride * size, out.subspan(i, 1));
}

}  // namespace

SourceView view_of(const WeightTensor& tensor) {
  SourceView view{tensor.type, tensor.data, {}, {}, tensor.packing};
  for (std::size_t i = tensor.shape.size(); i-- > 0;) {
    if (tensor.shape[i] == 1) continue;
    view.sizes.push_back(tensor.shape[i]);
    view.strides.push_back(tensor.strides[i]);
  }
  if (view.sizes.empty()) {
    view.sizes.push_back(1);
    view.strides.push_back(1);
  }
  return view;
}

std::span<const std::byte> SourceView::bytes_of(std::uint64_t first, std::uint64_t elements) const {
  const std::uint64_t bits = packing ? packing->bits : 8 * data_type_bytes(type);
  const std::uint64_t begin = first * bits / 8;
  const std::uint64_t end = ((first + elements) * bits + 7) / 8;
  return data.subspan(static_cast<std::size_t>(begin), static_cast<std::size_t>(end - begin));
}

SourceView transposed(SourceView view) {
  if (view.sizes.size() > 1) {
    std::swap(view.sizes[0], view.sizes[1]);
    std::swap(view.strides[0], view.strides[1]);
  }
  return view;
}

std::uint64_t PlannedTensor::rows() const { return parts.size() * (product(parts.front().sizes) / row_length()); }

std::uint64_t PlannedTensor::row_bytes() const {
  const GgmlTypeTraits& traits = *ggml_type_traits(static_cast<std::uint32_t>(type));
  return row_length() / traits.block * traits.bytes;
}

void PlannedTensor::read_rows(std::uint64_t first, std::span<float> out) const {
  const std::uint64_t length = row_length();
  const std::uint64_t rows_a_part = rows() / parts.size();
  for (std::uint64_t row = first; !out.empty(); ++row, out = out.subspan(static_cast<std::size_t>(length))) {
    const SourceView& part = parts[static_cast<std::size_t>(row / rows_a_part)];
    std::uint64_t rest = row % rows_a_part;
    std::uint64_t at = 0;
    for (std::size_t d = 1; d < part.sizes.size(); ++d) {
      at += rest % part.sizes[d] * part.strides[d];
      rest /= part.sizes[d];
    }
    const std::span<float> values = out.first(static_cast<std::size_t>(length));
    read_values(part, at, part.strides[0], values);
    if (scale != 1) {
      for (float& value : values) value *= scale;
    }
  }
}

std::vector<std::span<const std::byte>> PlannedTensor::source_bytes(std::uint64_t first, std::uint64_t count) const {
  std::vector<std::span<const std::byte>> spans;
  const std::uint64_t rows_a_part = rows() / parts.size();
  for (std::uint64_t row = first; row < first + count;) {
    const SourceView& part = parts[static_cast<std::size_t>(row / rows_a_part)];
    const std::uint64_t begin = row % rows_a_part;
    const std::uint64_t end = std::min(rows_a_part, begin + first + count - row);
    const bool plain = part.strides[0] == 1 && part.sizes.size() == 2 && part.strides[1] == row_length();
    spans.push_back(plain ? part.bytes_of(begin * row_length(), (end - begin) * row_length()) : part.data);
    row += end - begin;
  }
  return spans;
}

}  // namespace rwkv::convert
