#include "media/encoders/vision_network.h"

#include <algorithm>
#include <utility>

#include "base/error.h"

namespace rwkv::media {
namespace {

constexpr float kAdapterEpsilon = 1e-5f;
constexpr std::size_t kNodesAPart = 24;
constexpr std::size_t kColours = 3;

// Some converters named fc1 `ffn_down` and fc2 `ffn_up`: what gives feed_forward values is up.
void take_feed_forward(TransformerLayer& layer, const TransformerShape& shape, const std::string& prefix,
                       EncoderWeights& weights) {
  const auto width = static_cast<std::uint64_t>(shape.width);
  const auto inner = static_cast<std::uint64_t>(shape.feed_forward);
  std::string up = prefix + "ffn_up";
  std::string down = prefix + "ffn_down";
  if (weights.dimensions(up + ".weight").front() == inner && width != inner) std::swap(up, down);
  layer.up = weights.linear(up, width, inner);
  layer.down = weights.linear(down, inner, width);
}

TransformerLayer take_layer(const TransformerShape& shape, std::int64_t number, EncoderWeights& weights) {
  const std::string prefix = "v.blk." + std::to_string(number) + ".";
  const auto width = static_cast<std::uint64_t>(shape.width);
  TransformerLayer layer;
  layer.attention_norm = weights.norm(prefix + "ln1", width);
  layer.query = weights.linear(prefix + "attn_q", width, width);
  layer.key = weights.linear(prefix + "attn_k", width, width);
  layer.value = weights.linear(prefix + "attn_v", width, width);
  layer.attention_output = weights.linear(prefix + "attn_out", width, width);
  layer.feed_forward_norm = weights.norm(prefix + "ln2", width);
  take_feed_forward(layer, shape, prefix, weights);
  return layer;
}

}  // namespace

VisionNetwork::VisionNetwork(const VisionHeader& header, EncoderWeights& weights, bool exact_attention,
                             GraphPlan::Purpose purpose)
    : header_(header), plan_(purpose) {
  add_encoder(weights, exact_attention);
  add_adapter(weights);
  plan_.finish();
}

void VisionNetwork::add_encoder(EncoderWeights& weights, bool exact_attention) {
  const TransformerShape& shape = header_.encoder;
  const std::int64_t patch = std::int64_t{kColours} * header_.patch_size * header_.patch_size;
  patches_ = plan_.keep(GGML_TYPE_F32, patch, shape.positions);
  x_ = plan_.keep(GGML_TYPE_F32, shape.width, shape.positions);
  const auto width = static_cast<std::uint64_t>(shape.width);
  const Linear embed = weights.linear("v.patch_embd", static_cast<std::uint64_t>(patch), width);
  ggml_tensor* positions = weights.floats("v.position_embd.weight", width, static_cast<std::uint64_t>(shape.positions));
  const std::int64_t at_once =
      rows_at_once(shape.positions, 2.0 * static_cast<double>(shape.width) * static_cast<double>(patch));
  plan_.stage(kNodesAPart * parts(shape.positions, at_once), [&](ggml_context* context, ggml_cgraph* graph) {
    const Ops ops{context, graph};
    for_each_part(shape.positions, at_once, [&](std::int64_t first, std::int64_t count) {
      ggml_tensor* y = ops.linear(embed, ops.rows(patches_, first, count));
      ops.store(ggml_add(context, y, ops.rows(positions, first, count)), ops.rows(x_, first, count));
    });
  });
  std::vector<TransformerLayer> layers;
  for (std::int64_t i = 0; i < header_.layers; ++i) layers.push_back(take_layer(shape, i, weights));
  add_transformer(plan_, shape, layers, x_, exact_attention);
}

void VisionNetwork::add_adapter(EncoderWeights& weights) {
  const TransformerShape& shape = header_.encoder;
  const auto width = static_cast<std::uint64_t>(shape.width);
  rows_ = plan_.keep(GGML_TYPE_F32, header_.row_width, header_.rows);
  Adapter adapter;
  std::int64_t row = shape.width;  // of what the first matrix takes
  if (header_.block > 0) adapter.columns = plan_.keep(blocks_of_square(header_.side, header_.block));
  if (header_.conv_taps > 0) {
    adapter.columns = plan_.keep(convolution(shape.positions, header_.conv_taps, header_.conv_stride, 0));
  }
  if (adapter.columns != nullptr) row *= adapter.columns->taps;
  const auto row_width = static_cast<std::uint64_t>(header_.row_width);
  if (header_.adapter == VisionAdapterKind::kSiglip2) {
    adapter.last = weights.linear("rwkv_adapter.proj", static_cast<std::uint64_t>(row), row_width, false);
  } else {
    const auto inner = static_cast<std::uint64_t>(header_.hidden);
    if (header_.conv_taps > 0) {
      adapter.conv = weights.linear("rwkv_adapter.conv", static_cast<std::uint64_t>(row), width, false);
    }
    adapter.first = weights.linear("rwkv_adapter.proj.0", width, inner);
    adapter.last = weights.linear("rwkv_adapter.proj.2", inner, row_width);
  }
  if (header_.adapter == VisionAdapterKind::kSiglip) {
    adapter.norm = weights.norm("rwkv_adapter.pre_norm", row_width);
  }

  const Norm last_norm = weights.norm("v.post_ln", width);
  const std::int64_t widest = std::max({row, header_.hidden, header_.row_width, shape.width});
  const std::int64_t at_once = rows_at_once(
      header_.rows, 2.0 * static_cast<double>(std::max(row, header_.hidden)) * static_cast<double>(widest));
  plan_.stage(kNodesAPart * (parts(header_.rows, at_once) + 1), [&](ggml_context* context, ggml_cgraph* graph) {
    const Ops ops{context, graph};
    ops.store(ops.norm(last_norm, x_, shape.norm_epsilon), x_);
    for_each_part(header_.rows, at_once, [&](std::int64_t first, std::int64_t count) {
      ops.store(adapt(ops, adapter, first, count), ops.rows(rows_, first, count));
    });
  });
}

ggml_tensor* VisionNetwork::adapt(const Ops& ops, const Adapter& adapter, std::int64_t first, std::int64_t count) {
  ggml_tensor* y = adapter.columns != nullptr ? gather_rows(plan_, ops, adapter.columns, x_, first, count)
                                              : ops.rows(x_, first, count);
  if (adapter.conv.weight != nullptr) y = ops.linear(adapter.conv, y);
  if (header_.adapter == VisionAdapterKind::kSiglip2) return ops.linear(adapter.last, y);
  const bool relu = header_.adapter == VisionAdapterKind::kSiglip;
  y = ops.activate(relu ? Activation::kRelu : Activation::kGeluErf, ops.linear(adapter.first, y));
  y = ops.linear(adapter.last, y);
  if (adapter.norm.weight == nullptr) return y;
  return ggml_add(ops.context, ops.norm(adapter.norm, y, kAdapterEpsilon), y);
}

std::span<const float> VisionNetwork::compute(std::span<const float> pixels, const Threads& threads,
                                              const EncodeOptions& options, const std::function<void()>& stage_done) {
  const auto size = static_cast<std::size_t>(header_.image_size);
  const auto patch = static_cast<std::size_t>(header_.patch_size);
  const auto side = static_cast<std::size_t>(header_.side);
  if (pixels.size() != kColours * size * size) {
    throw Error(ErrorCode::kInternal, "a picture has " + std::to_string(pixels.size()) + " values");
  }
  float* to = GraphPlan::values(patches_).data();
  for (std::size_t row = 0; row < side; ++row) {
    for (std::size_t column = 0; column < side; ++column) {
      for (std::size_t colour = 0; colour < kColours; ++colour) {
        for (std::size_t y = 0; y < patch; ++y, to += patch) {
          const float* from = pixels.data() + (colour * size + row * patch + y) * size + column * patch;
          std::copy(from, from + patch, to);
        }
      }
    }
  }
  plan_.compute(threads, options, stage_done);
  return GraphPlan::values(rows_);
}

}  // namespace rwkv::media
