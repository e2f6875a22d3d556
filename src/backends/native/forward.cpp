#include "backends/native/forward.h"

#include <algorithm>
#include <cstring>

namespace rwkv::native {

// What one pass needs at hand.
class Forward::Pass {
 public:
  Pass(const Forward& forward, std::span<const Segment> segments, std::size_t rows, ThreadPool& pool,
       const CancelToken& cancel)
      : weights_(forward.weights_),
        s_(forward.space_),
        kernels_(forward.kernels_),
        layout_(forward.layout_),
        segments_(segments),
        rows_(rows),
        pool_(pool),
        cancel_(cancel) {}

  void embed() {
    each_row([&](std::size_t t) { normalise(s_.in[t], weights_.embedding_norm(), s_.x[t]); });
  }

  void mix_tokens(std::size_t index) {
    const LayerWeights& layer = weights_.layers()[index];
    const std::size_t width = weights_.geometry().width;
    each_row([&](std::size_t t) { normalise(s_.x[t], layer.attention_norm, s_.in[t]); });
    const Vectors* const to[] = {&s_.to_receptance, &s_.to_decay, &s_.to_key, &s_.to_value, &s_.to_rate, &s_.to_gate};
    shift(index, 0, [&](std::size_t t, const float* previous) {
      for (std::size_t i = 0; i < std::size(to); ++i) {
        kernels_.shift(s_.in[t], previous, layer.shares + i * width, width, s_.y[t]);
        kernels_.prepare(s_.y[t], *to[i], t);
      }
    });
    multiply({product(layer.receptance, s_.to_receptance, s_.r), product(layer.key, s_.to_key, s_.k),
              product(layer.value, s_.to_value, s_.v), product(layer.decay.first, s_.to_decay, s_.decay_rank),
              product(layer.rate.first, s_.to_rate, s_.rate_rank),
              product(layer.residual.first, s_.to_value, s_.residual_rank),
              product(layer.gate.first, s_.to_gate, s_.gate_rank)});
    each_row([&](std::size_t t) {
      kernels_.tanh(s_.decay_rank[t], s_.to_decay_second.length);
      kernels_.sigmoid(s_.gate_rank[t], s_.to_gate_second.length);
      kernels_.prepare(s_.decay_rank[t], s_.to_decay_second, t);
      kernels_.prepare(s_.rate_rank[t], s_.to_rate_second, t);
      if (index > 0) kernels_.prepare(s_.residual_rank[t], s_.to_residual_second, t);
      kernels_.prepare(s_.gate_rank[t], s_.to_gate_second, t);
    });
    multiply({product(layer.decay.second, s_.to_decay_second, s_.w),
              product(layer.rate.second, s_.to_rate_second, s_.a),
              product(layer.residual.second, s_.to_residual_second, s_.residual),
              product(layer.gate.second, s_.to_gate_second, s_.g)});
    run_heads(index);
    each_row([&](std::size_t t) { kernels_.prepare(s_.y[t], s_.to_output, t); });
    multiply({product(layer.output, s_.to_output, s_.x, Then::kAdd)});
  }

  void mix_channels(std::size_t index) {
    const LayerWeights& layer = weights_.layers()[index];
    const std::size_t width = weights_.geometry().width;
    each_row([&](std::size_t t) { normalise(s_.x[t], layer.feed_forward_norm, s_.in[t]); });
    shift(index, width, [&](std::size_t t, const float* previous) {
      kernels_.shift(s_.in[t], previous, layer.feed_forward_share, width, s_.y[t]);
      kernels_.prepare(s_.y[t], s_.to_feed_forward_key, t);
    });
    multiply({product(layer.feed_forward_key, s_.to_feed_forward_key, s_.hidden, Then::kSquareOfPositive)});
    each_row([&](std::size_t t) { kernels_.prepare(s_.hidden[t], s_.to_feed_forward_value, t); });
    multiply({product(layer.feed_forward_value, s_.to_feed_forward_value, s_.x, Then::kAdd)});
  }

  void multiply(std::initializer_list<Product> products) {
    std::size_t panels = 0;
    for (const Product& one : products) panels += panels_of(one);
    // Few enough that taking them costs nothing, and more than there are threads, which may be of different speeds.
    std::size_t a_piece = std::max<std::size_t>(1, panels / (8 * static_cast<std::size_t>(pool_.threads())));
    if (rows_ == 1 && !products.begin()->matrix.by_columns)
      a_piece = (a_piece + kDecodePanels - 1) / kDecodePanels * kDecodePanels;
    run((panels + a_piece - 1) / a_piece, [&](std::size_t piece) {
      std::size_t begin = piece * a_piece;
      std::size_t end = std::min(begin + a_piece, panels);
      for (const Product& one : products) {
        const std::size_t own = panels_of(one);
        if (begin < own) {
          const std::size_t count = std::min(end, own) - begin;
          kernels_.multiply(one.matrix, begin, count, one.x, rows_, one.then, one.y, one.stride);
          begin += count;
        }
        if (end <= own) break;
        begin -= own;
        end -= own;
      }
    });
  }

 private:
  static std::size_t panels_of(const Product& product) {
    return product.matrix.panels == nullptr ? 0 : product.matrix.panel_count();
  }

  static Product product(const PanelMatrix& matrix, const Vectors& x, const Rows& y, Then then = Then::kSet) {
    return {matrix, x, y.values, y.length, then};
  }

  void normalise(const float* x, NormWeights weights, float* out) const {
    kernels_.normalise(x, weights_.geometry().width, weights_.geometry().epsilon, weights, out);
  }

  template <class F>
  void run(std::size_t count, const F& f) {
    pool_.run(count, cancel_, f);
    cancel_.check();
  }

  template <class F>
  void each_row(const F& f) {
    run(rows_, f);
  }

  float* state_of(const Segment& segment, std::size_t layer) const {
    return segment.state + layer * layout_.layer_values();
  }

  // Calls f(row, the input before) for all rows; of the first one of a sequence its state knows the one before, at `at`
  // in the layer's part.
  template <class F>
  void shift(std::size_t layer, std::size_t at, const F& f) {
    each_row([&](std::size_t t) {
      const auto own = std::find_if(segments_.begin(), segments_.end(),
                                    [&](const Segment& segment) { return t < segment.first + segment.count; });
      f(t, t == own->first ? state_of(*own, layer) + at : s_.in[t - 1]);
    });
    for (const Segment& segment : segments_) {
      std::memcpy(state_of(segment, layer) + at, s_.in[segment.first + segment.count - 1],
                  layout_.width * sizeof(float));
    }
  }

  void run_heads(std::size_t index) {
    const std::size_t heads = weights_.geometry().heads;
    const std::size_t size = layout_.head_size;
    run(segments_.size() * heads, [&](std::size_t piece) {
      const Segment& segment = segments_[piece / heads];
      const std::size_t at = piece % heads * size;
      const auto begin = [&](const Rows& rows) { return rows[segment.first] + at; };
      HeadWeights own = weights_.layers()[index].head;
      for (const float** vector :
           {&own.decay, &own.rate, &own.residual, &own.k_k, &own.k_a, &own.r_k, &own.norm.weight, &own.norm.bias}) {
        if (*vector != nullptr) *vector += at;
      }
      const HeadVectors x{.stride = s_.r.length,
                          .r = begin(s_.r),
                          .w = begin(s_.w),
                          .k = begin(s_.k),
                          .v = begin(s_.v),
                          .a = begin(s_.a),
                          .g = begin(s_.g),
                          .residual = index > 0 ? begin(s_.residual) : nullptr,
                          .first_value = begin(s_.first_value),
                          .y = begin(s_.y)};
      kernels_.head(own, x, size, segment.count, state_of(segment, index) + 2 * layout_.width + at * size);
    });
  }

  const Weights& weights_;
  Workspace& s_;
  const Kernels& kernels_;
  const StateLayout& layout_;
  std::span<const Segment> segments_;
  std::size_t rows_;
  ThreadPool& pool_;
  const CancelToken& cancel_;
};

void Forward::run(std::span<const Segment> segments, ThreadPool& pool, const CancelToken& cancel) {
  Pass pass(*this, segments, segments.back().first + segments.back().count, pool, cancel);
  pass.embed();
  for (std::size_t layer = 0; layer < weights_.layers().size(); ++layer) {
    pass.mix_tokens(layer);
    pass.mix_channels(layer);
  }
}

void Forward::read_hidden(std::size_t row, float* out) const {
  kernels_.normalise(space_.x[row], weights_.geometry().width, weights_.geometry().epsilon, weights_.output_norm(),
                     out);
}

void Forward::read_logits(std::span<const std::size_t> rows, float* out, ThreadPool& pool, const CancelToken& cancel) {
  if (rows.empty()) return;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    read_hidden(rows[i], space_.in[rows[i]]);
    kernels_.prepare(space_.in[rows[i]], space_.to_head, i);
  }
  Pass pass(*this, {}, rows.size(), pool, cancel);
  pass.multiply({{weights_.head(), space_.to_head, out, weights_.geometry().vocabulary}});
}

}  // namespace rwkv::native
