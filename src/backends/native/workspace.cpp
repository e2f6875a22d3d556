#include "backends/native/workspace.h"

#include <algorithm>

namespace rwkv::native {
namespace {

constexpr std::size_t kAlignment = 64;
constexpr std::size_t kMostRows = 128;  // a multiple of kTile, as all that is less

std::size_t aligned(std::size_t bytes) { return (bytes + kAlignment - 1) / kAlignment * kAlignment; }

}  // namespace

// Counts what is wanted, and in a second round hands it out.
class Workspace::Layout {
 public:
  Layout(std::size_t rows, std::byte* memory) : rows_(rows), memory_(memory) {}

  Rows rows(std::size_t length) {
    // Whole lines, so that threads do not write to the same one.
    const std::size_t padded = aligned(length * sizeof(float)) / sizeof(float);
    return {take<float>(padded), padded};
  }

  Vectors vectors(const Forms& forms) {
    Vectors x;
    x.length = forms.length;
    x.padded = (forms.length + kGroup - 1) / kGroup * kGroup;
    if (forms.floats) x.floats = take<float>(x.padded);
    if (!forms.blocks) return x;
    x.values = take<std::int8_t>(forms.length);
    x.scales = take<float>(x.blocks());
    x.sums = take<float>(x.blocks());
    x.totals = take<std::int32_t>(x.blocks());
    x.halves = take<std::int32_t>(2 * x.blocks());
    if (!forms.nonzero) return x;
    x.nonzero = take<std::int8_t>(forms.length, 1);
    x.places = take<std::uint32_t>(forms.length, 1);
    x.fours = take<std::uint8_t>(x.blocks(), 1);
    return x;
  }

  std::size_t bytes() const noexcept { return bytes_; }

 private:
  template <class T>
  T* take(std::size_t a_row) {
    return take<T>(a_row, rows_);
  }
  template <class T>
  T* take(std::size_t a_row, std::size_t rows) {
    std::byte* const at = memory_ == nullptr ? nullptr : memory_ + bytes_;
    bytes_ += aligned(rows * a_row * sizeof(T));
    return reinterpret_cast<T*>(at);
  }

  std::size_t rows_;
  std::byte* memory_;
  std::size_t bytes_ = 0;
};

Workspace::Workspace(const Weights& weights, std::size_t rows) : rows_(rows) {
  Layout counted(rows, nullptr);
  lay_out(weights, counted);
  memory_ = Pages(counted.bytes() + kAlignment);
  std::byte* begin = memory_.data();
  while (reinterpret_cast<std::uintptr_t>(begin) % kAlignment != 0) ++begin;
  Layout placed(rows, begin);
  lay_out(weights, placed);
}

void Workspace::lay_out(const Weights& weights, Layout& layout) {
  const Geometry& size = weights.geometry();
  for (Rows* rows : {&x, &in, &r, &w, &k, &v, &a, &g, &residual, &first_value, &y}) *rows = layout.rows(size.width);
  hidden = layout.rows(size.feed_forward);

  const auto forms_of = [&](auto... matrices) {
    Forms forms;
    for (const LayerWeights& layer : weights.layers()) (forms.serve(matrices(layer)), ...);
    return forms;
  };
#define RWKV_OF(matrix) [](const LayerWeights& l) -> const PanelMatrix& { return l.matrix; }
  to_receptance = layout.vectors(forms_of(RWKV_OF(receptance)));
  to_key = layout.vectors(forms_of(RWKV_OF(key)));
  to_value = layout.vectors(forms_of(RWKV_OF(value), RWKV_OF(residual.first)));
  to_decay = layout.vectors(forms_of(RWKV_OF(decay.first)));
  to_rate = layout.vectors(forms_of(RWKV_OF(rate.first)));
  to_gate = layout.vectors(forms_of(RWKV_OF(gate.first)));
  to_decay_second = layout.vectors(forms_of(RWKV_OF(decay.second)));
  to_rate_second = layout.vectors(forms_of(RWKV_OF(rate.second)));
  to_residual_second = layout.vectors(forms_of(RWKV_OF(residual.second)));
  to_gate_second = layout.vectors(forms_of(RWKV_OF(gate.second)));
  to_output = layout.vectors(forms_of(RWKV_OF(output)));
  to_feed_forward_key = layout.vectors(forms_of(RWKV_OF(feed_forward_key)));
  to_feed_forward_value = layout.vectors(forms_of(RWKV_OF(feed_forward_value)));
#undef RWKV_OF
  decay_rank = layout.rows(to_decay_second.length);
  rate_rank = layout.rows(to_rate_second.length);
  residual_rank = layout.rows(to_residual_second.length);
  gate_rank = layout.rows(to_gate_second.length);
  Forms head;
  head.serve(weights.head());
  to_head = layout.vectors(head);
}

std::uint64_t workspace_bytes(const Geometry& geometry, std::size_t ranks, std::size_t rows) {
  // Rows of floats as above, and 8 vectors of each length in both forms: 4 bytes and 1.5 a value.
  const std::size_t widths = 11 * 4 + 9 * 6;
  return std::uint64_t{rows} * (geometry.width * widths + geometry.feed_forward * 10 + ranks * 10);
}

std::size_t rows_at_once(const Geometry& geometry) {
  constexpr std::size_t kBytes = std::size_t{12} << 20;
  const std::size_t a_row = 80 * geometry.width + 10 * geometry.feed_forward;
  return std::clamp(kBytes / a_row / 16 * 16, std::size_t{16}, kMostRows);
}

}  // namespace rwkv::native
