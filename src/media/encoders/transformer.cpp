#include "media/encoders/transformer.h"

#include <cmath>

namespace rwkv::media {
namespace {

constexpr std::size_t kNodesAPart = 40;

class LayerStage {
 public:
  LayerStage(const Ops& ops, const TransformerShape& shape, ggml_tensor* keys, ggml_tensor* values, bool exact)
      : ops_(ops),
        shape_(shape),
        head_(shape.width / shape.heads),
        scale_(1.0f / std::sqrt(static_cast<float>(head_))),
        keys_(keys),
        values_(values),
        exact_(exact) {}

  void add_keys_and_values(const TransformerLayer& layer, ggml_tensor* x, std::int64_t first, std::int64_t count) {
    ggml_tensor* n = ops_.norm(layer.attention_norm, ops_.rows(x, first, count), shape_.norm_epsilon);
    ops_.store(ops_.linear(layer.key, n), ops_.rows(keys_, first, count));
    ops_.store(ops_.linear(layer.value, n), ops_.rows(values_, first, count));
  }

  /// The rest of the layer, for some rows of it, in their place.
  void add_rows(const TransformerLayer& layer, ggml_tensor* x, std::int64_t first, std::int64_t count) {
    ggml_context* context = ops_.context;
    ggml_tensor* rows = ops_.rows(x, first, count);
    ggml_tensor* n = ops_.norm(layer.attention_norm, rows, shape_.norm_epsilon);
    ggml_tensor* query = by_head(ops_.linear(layer.query, n), count);
    ggml_tensor* seen = exact_ ? exact_attention(query, count) : flash_attention(query, count);
    ggml_tensor* y = ggml_add(context, ops_.linear(layer.attention_output, seen), rows);
    ggml_tensor* inner = ops_.linear(layer.up, ops_.norm(layer.feed_forward_norm, y, shape_.norm_epsilon));
    inner = ops_.linear(layer.down, ops_.activate(shape_.activation, inner));
    ops_.store(ggml_add(context, inner, y), rows);
  }

 private:
  // [width, rows] as [head, rows, heads], not copied.
  ggml_tensor* by_head(ggml_tensor* x, std::int64_t rows) const {
    const std::size_t value = ggml_type_size(x->type);
    return ggml_view_3d(ops_.context, x, head_, rows, shape_.heads, x->nb[1], static_cast<std::size_t>(head_) * value,
                        0);
  }

  ggml_tensor* flash_attention(ggml_tensor* query, std::int64_t count) const {
    ggml_tensor* seen = ggml_flash_attn_ext(ops_.context, query, by_head(keys_, shape_.positions),
                                            by_head(values_, shape_.positions), nullptr, scale_, 0, 0);
    return ggml_reshape_2d(ops_.context, seen, shape_.width, count);
  }

  ggml_tensor* exact_attention(ggml_tensor* query, std::int64_t count) const {
    ggml_context* context = ops_.context;
    ggml_tensor* keys = ggml_cont(context, by_head(keys_, shape_.positions));
    ggml_tensor* weights = ggml_mul_mat(context, keys, ggml_cont(context, query));  // [positions, rows, heads]
    weights = ggml_soft_max_ext(context, weights, nullptr, scale_, 0);
    ggml_tensor* values = ggml_cont(context, ggml_permute(context, by_head(values_, shape_.positions), 1, 0, 2, 3));
    ggml_tensor* seen = ggml_mul_mat(context, values, weights);  // [head, rows, heads]
    return ggml_cont_2d(context, ggml_permute(context, seen, 0, 2, 1, 3), shape_.width, count);
  }

  const Ops ops_;
  const TransformerShape& shape_;
  const std::int64_t head_;
  const float scale_;
  ggml_tensor* keys_;
  ggml_tensor* values_;
  const bool exact_;
};

}  // namespace

void add_transformer(GraphPlan& plan, const TransformerShape& shape, const std::vector<TransformerLayer>& layers,
                     ggml_tensor* x, bool exact_attention) {
  const ggml_type type = exact_attention ? GGML_TYPE_F32 : GGML_TYPE_F16;
  ggml_tensor* keys = plan.keep(type, shape.width, shape.positions);
  ggml_tensor* values = plan.keep(type, shape.width, shape.positions);
  const auto width = static_cast<double>(shape.width);
  const double largest = std::max({2 * width * width, 2 * width * static_cast<double>(shape.feed_forward),
                                   4 * width * static_cast<double>(shape.positions)});
  const std::int64_t at_once = rows_at_once(shape.positions, largest);
  const std::size_t nodes = 2 * kNodesAPart * parts(shape.positions, at_once);
  for (const TransformerLayer& layer : layers) {
    plan.stage(nodes, [&](ggml_context* context, ggml_cgraph* graph) {
      LayerStage stage({context, graph}, shape, keys, values, exact_attention);
      for_each_part(shape.positions, at_once,
                    [&](std::int64_t first, std::int64_t count) { stage.add_keys_and_values(layer, x, first, count); });
      for_each_part(shape.positions, at_once,
                    [&](std::int64_t first, std::int64_t count) { stage.add_rows(layer, x, first, count); });
    });
  }
}

}  // namespace rwkv::media
