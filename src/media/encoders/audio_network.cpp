#include "media/encoders/audio_network.h"

#include <algorithm>

#include "base/error.h"

namespace rwkv::media {
namespace {

constexpr std::size_t kNodesAPart = 24;
constexpr std::int64_t kTaps = 3;  // of the encoder's two convolutions
constexpr std::int64_t kPadding = 1;
constexpr std::int64_t kShrinks = 2;  // the second one's stride

TransformerLayer take_layer(const TransformerShape& shape, std::int64_t number, EncoderWeights& weights) {
  const std::string prefix = "encoder.blocks." + std::to_string(number) + ".";
  const auto width = static_cast<std::uint64_t>(shape.width);
  const auto inner = static_cast<std::uint64_t>(shape.feed_forward);
  TransformerLayer layer;
  layer.attention_norm = weights.norm(prefix + "attn_ln", width);
  layer.query = weights.linear(prefix + "attn.query", width, width);
  layer.key = weights.linear(prefix + "attn.key", width, width, false);
  layer.value = weights.linear(prefix + "attn.value", width, width);
  layer.attention_output = weights.linear(prefix + "attn.out", width, width);
  layer.feed_forward_norm = weights.norm(prefix + "mlp_ln", width);
  layer.up = weights.linear(prefix + "mlp.0", width, inner);
  layer.down = weights.linear(prefix + "mlp.2", inner, width);
  return layer;
}

double flops_a_row(const Linear& layer) { return 2.0 * static_cast<double>(ggml_nelements(layer.weight)); }

}  // namespace

AudioNetwork::AudioNetwork(const AudioHeader& header, EncoderWeights& weights, bool exact_attention,
                           GraphPlan::Purpose purpose)
    : header_(header), purpose_(purpose), encoder_(purpose) {
  add_encoder(weights, exact_attention);
  encoder_.finish();
  const auto width = static_cast<std::uint64_t>(header_.encoder.width);
  const auto inner = static_cast<std::uint64_t>(header_.hidden);
  conv_ = weights.linear("rwkv.adapter.conv", static_cast<std::uint64_t>(header_.adapter_taps) * width, inner);
  first_ = weights.linear("rwkv.adapter.proj.0", inner, inner);
  last_ = weights.linear("rwkv.adapter.proj.2", inner, static_cast<std::uint64_t>(header_.row_width));
  if (purpose == GraphPlan::Purpose::kMeasure) adapter_ = adapter_for(header_.encoder.positions);
}

std::uint64_t AudioNetwork::bytes() const noexcept {
  return encoder_.bytes() + (adapter_ ? adapter_->plan.bytes() : 0);
}

void AudioNetwork::add_encoder(EncoderWeights& weights, bool exact_attention) {
  const TransformerShape& shape = header_.encoder;
  const auto width = static_cast<std::uint64_t>(shape.width);
  const auto bands = static_cast<std::uint64_t>(header_.mel_bands);
  const Linear conv1 = weights.linear("encoder.conv1", kTaps * bands, width);
  const Linear conv2 = weights.linear("encoder.conv2", kTaps * width, width);
  ggml_tensor* positions =
      weights.floats("encoder.positional_embedding", width, static_cast<std::uint64_t>(shape.positions));
  mel_ = encoder_.keep(GGML_TYPE_F32, header_.mel_bands, header_.mel_frames());
  ggml_tensor* frames = encoder_.keep(GGML_TYPE_F32, shape.width, header_.mel_frames());
  x_ = encoder_.keep(GGML_TYPE_F32, shape.width, shape.positions);
  const Gather* columns1 = encoder_.keep(convolution(header_.mel_frames(), kTaps, 1, kPadding));
  const Gather* columns2 = encoder_.keep(convolution(header_.mel_frames(), kTaps, kShrinks, kPadding));
  const std::int64_t at_once1 = rows_at_once(columns1->rows, flops_a_row(conv1));
  const std::int64_t at_once2 = rows_at_once(columns2->rows, flops_a_row(conv2));
  const std::size_t all_parts = parts(columns1->rows, at_once1) + parts(columns2->rows, at_once2);
  encoder_.stage(kNodesAPart * all_parts, [&](ggml_context* context, ggml_cgraph* graph) {
    const Ops ops{context, graph};
    for_each_part(columns1->rows, at_once1, [&](std::int64_t first, std::int64_t count) {
      ggml_tensor* y = ops.linear(conv1, gather_rows(encoder_, ops, columns1, mel_, first, count));
      ops.store(ops.activate(Activation::kGeluErf, y), ops.rows(frames, first, count));
    });
    for_each_part(columns2->rows, at_once2, [&](std::int64_t first, std::int64_t count) {
      ggml_tensor* y = ops.linear(conv2, gather_rows(encoder_, ops, columns2, frames, first, count));
      y = ggml_add(context, ops.activate(Activation::kGeluErf, y), ops.rows(positions, first, count));
      ops.store(y, ops.rows(x_, first, count));
    });
  });
  std::vector<TransformerLayer> layers;
  for (std::int64_t i = 0; i < header_.layers; ++i) layers.push_back(take_layer(shape, i, weights));
  add_transformer(encoder_, shape, layers, x_, exact_attention);
  const Norm last = weights.norm("encoder.ln_post", width);
  encoder_.stage(kNodesAPart, [&](ggml_context* context, ggml_cgraph* graph) {
    const Ops ops{context, graph};
    ops.store(ops.norm(last, x_, shape.norm_epsilon), x_);
  });
}

std::unique_ptr<AudioNetwork::Adapter> AudioNetwork::adapter_for(std::int64_t kept) const {
  auto adapter = std::make_unique<Adapter>(purpose_);
  GraphPlan& plan = adapter->plan;
  adapter->kept = kept;
  const Gather* columns =
      plan.keep(convolution(kept, header_.adapter_taps, header_.adapter_stride, header_.adapter_padding));
  adapter->rows = plan.keep(GGML_TYPE_F32, header_.row_width, columns->rows);
  const std::int64_t at_once =
      rows_at_once(columns->rows, std::max({flops_a_row(conv_), flops_a_row(first_), flops_a_row(last_)}));
  plan.stage(kNodesAPart * parts(columns->rows, at_once), [&](ggml_context* context, ggml_cgraph* graph) {
    const Ops ops{context, graph};
    for_each_part(columns->rows, at_once, [&](std::int64_t first, std::int64_t count) {
      ggml_tensor* y = ops.linear(conv_, gather_rows(plan, ops, columns, x_, first, count));
      y = ops.activate(Activation::kRelu, ops.linear(first_, y));
      ops.store(ops.linear(last_, y), ops.rows(adapter->rows, first, count));
    });
  });
  plan.finish();
  return adapter;
}

std::span<const float> AudioNetwork::compute(std::span<const float> mel, std::int64_t kept, const Threads& threads,
                                             const EncodeOptions& options, const std::function<void()>& stage_done) {
  const auto bands = static_cast<std::size_t>(header_.mel_bands);
  const auto frames = static_cast<std::size_t>(header_.mel_frames());
  if (mel.size() != bands * frames || kept < 1 || kept > header_.encoder.positions || header_.rows_of(kept) < 1) {
    throw Error(ErrorCode::kInternal, "a window of " + std::to_string(mel.size()) + " values, " + std::to_string(kept) +
                                          " positions of it kept");
  }
  float* to = GraphPlan::values(mel_).data();
  for (std::size_t frame = 0; frame < frames; ++frame) {
    for (std::size_t band = 0; band < bands; ++band) *to++ = mel[band * frames + frame];
  }
  encoder_.compute(threads, options, stage_done);
  // Windows of one length share a graph.
  if (!adapter_ || adapter_->kept != kept) adapter_ = adapter_for(kept);
  adapter_->plan.compute(threads, options, stage_done);
  return GraphPlan::values(adapter_->rows);
}

}  // namespace rwkv::media
