#include "convert/encoder_plan.h"

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "convert/encoder_tensors.h"

namespace rwkv::convert {
namespace {

constexpr std::uint64_t kShuffle = 16;  // 4 x 4 neighbours become a row in ModalityProjector
constexpr std::uint32_t kAudioStride = 2;
constexpr std::uint32_t kAudioPadding = 2;

[[noreturn]] void refuse(ErrorCode code, const WeightFile& weights, const std::string& what) {
  throw Error(code, "'" + weights.name() + "' " + what, weights.name());
}

std::uint32_t small(std::uint64_t size) { return static_cast<std::uint32_t>(size); }

// Published encoders have heads of 64 values, but the largest SigLIP.
std::uint32_t heads_for(const WeightFile& weights, std::uint64_t width, std::optional<std::uint32_t> wished) {
  constexpr std::uint64_t kLargestSiglip = 1152;
  std::uint64_t heads = 0;
  if (wished) {
    heads = *wished;
  } else if (width == kLargestSiglip) {
    heads = 16;
  } else if (width % 64 == 0) {
    heads = width / 64;
  }
  if (heads > 0 && width % heads == 0) return small(heads);
  throw Error(ErrorCode::kInvalidArgument,
              "'" + weights.name() + "' does not say how many heads its layers of width " + std::to_string(width) +
                  " have: name a divisor of it (--heads)",
              weights.name());
}

// y = LN(x) ... by the names that transformers uses in both encoders.
void take_attention(EncoderTensors& tensors, const std::string& source, const std::string (&names)[4],
                    std::uint64_t width, bool key_has_bias) {
  const char* const sources[] = {"q_proj", "k_proj", "v_proj", "out_proj"};
  for (std::size_t i = 0; i < 4; ++i) {
    tensors.linear(names[i], source + "self_attn." + sources[i], width, width, i != 1 || key_has_bias);
  }
}

void take_vision_adapter(EncoderTensors& tensors, EncoderPlan& plan, const EncoderWishes& wishes,
                         const std::string& encoder) {
  const auto of_blocks = tensors.prefix_of("proj.weight", encoder);
  const auto of_rows = tensors.prefix_of("mlp.0.weight", encoder);
  plan.has_adapter = !of_blocks.empty() || !of_rows.empty();
  if (!plan.has_adapter) return;
  if (of_rows.empty()) {
    const std::string source = of_blocks[0] + "proj.weight";
    plan.adapter = "siglip2";
    tensors.matrix("rwkv_adapter.proj.weight", source, kShuffle * plan.width, tensors.shape(source, 2)[0]);
    tensors.expect_all_taken(of_blocks[0], {});
    return;
  }
  const std::string& source = of_rows[0];
  const std::uint64_t inner = tensors.shape(source + "mlp.0.weight", 2)[0];
  const std::uint64_t rows = tensors.shape(source + "mlp.2.weight", 2)[0];
  std::uint64_t taps = 0;
  if (tensors.has(source + "conv.weight")) {
    taps = tensors.shape(source + "conv.weight", 3)[2];
    tensors.matrix("rwkv_adapter.conv.weight", source + "conv.weight", taps * plan.width, plan.width);
    plan.stride = wishes.stride.value_or(small(std::max<std::uint64_t>(1, taps - 1)));  // 2 of 3, and 5 of 6
  }
  tensors.linear("rwkv_adapter.proj.0", source + "mlp.0", plan.width, inner);
  tensors.linear("rwkv_adapter.proj.2", source + "mlp.2", inner, rows);
  const bool has_norm = tensors.has(source + "pre_norm.weight");
  plan.adapter = taps > 3 || !has_norm ? "auto_siglip2" : "siglip";
  if (plan.adapter == "siglip") tensors.norm("rwkv_adapter.pre_norm", source + "pre_norm", rows);
  tensors.expect_all_taken(source, {"pre_norm."});
}

}  // namespace

EncoderPlan plan_vision(const WeightFile& weights, const EncoderWishes& wishes, WeightFormat format) {
  EncoderTensors tensors(weights, format);
  const auto prefixes = tensors.prefix_of("embeddings.patch_embedding.weight");
  if (prefixes.empty()) {
    refuse(
        ErrorCode::kUnsupported, weights,
        "has no SigLIP encoder ('vision_model.embeddings.patch_embedding.weight'); other encoders of pictures cannot "
        "be converted");
  }
  const std::string& source = prefixes[0];
  if (tensors.has(source + "embeddings.class_embedding")) {
    refuse(ErrorCode::kUnsupported, weights, "has a CLIP encoder with a class token; SigLIP can be converted");
  }
  EncoderPlan plan;
  const auto patch = tensors.shape(source + "embeddings.patch_embedding.weight", 4);
  const auto positions = tensors.shape(source + "embeddings.position_embedding.weight", 2);
  const std::string layer = source + "encoder.layers.";
  const auto side = static_cast<std::uint64_t>(std::lround(std::sqrt(static_cast<double>(positions[0]))));
  if (patch[1] != 3 || patch[2] != patch[3] || side * side != positions[0]) {
    refuse(ErrorCode::kUnsupported, weights, "has an encoder whose patches or positions are no squares of colours");
  }
  plan.width = small(patch[0]);
  plan.patch_size = small(patch[2]);
  plan.positions = small(positions[0]);
  plan.image_size = small(side * patch[2]);
  plan.layers = tensors.layers(layer);
  plan.heads = heads_for(weights, plan.width, wishes.heads);
  plan.feed_forward = small(tensors.shape(layer + "0.mlp.fc1.weight", 2)[0]);

  tensors.linear("v.patch_embd", source + "embeddings.patch_embedding", 3 * patch[2] * patch[3], plan.width);
  tensors.floats("v.position_embd.weight", source + "embeddings.position_embedding.weight", plan.width, plan.positions);
  for (std::uint32_t i = 0; i < plan.layers; ++i) {
    const std::string from = layer + std::to_string(i) + ".";
    const std::string to = "v.blk." + std::to_string(i) + ".";
    tensors.norm(to + "ln1", from + "layer_norm1", plan.width);
    take_attention(tensors, from, {to + "attn_q", to + "attn_k", to + "attn_v", to + "attn_out"}, plan.width, true);
    tensors.norm(to + "ln2", from + "layer_norm2", plan.width);
    tensors.linear(to + "ffn_up", from + "mlp.fc1", plan.width, plan.feed_forward);
    tensors.linear(to + "ffn_down", from + "mlp.fc2", plan.feed_forward, plan.width);
  }
  tensors.norm("v.post_ln", source + "post_layernorm", plan.width);
  tensors.expect_all_taken(source.empty() ? "embeddings." : source, {"head.", "embeddings.position_ids"});
  take_vision_adapter(tensors, plan, wishes, source.empty() ? "encoder." : source);
  plan.tiles = wishes.tiles.value_or(plan.adapter != "siglip");
  plan.tensors = tensors.finish("SigLIP encoder");
  return plan;
}

EncoderPlan plan_audio(const WeightFile& weights, const EncoderWishes& wishes, WeightFormat format) {
  EncoderTensors tensors(weights, format);
  const auto prefixes = tensors.prefix_of("conv1.weight");
  if (prefixes.empty() || !tensors.has(prefixes[0] + "embed_positions.weight")) {
    refuse(
        ErrorCode::kUnsupported, weights,
        "has no Whisper encoder by the names of transformers ('model.encoder.conv1.weight'); other encoders of sound "
        "cannot be converted");
  }
  const std::string& source = prefixes[0];
  const auto adapters = tensors.prefix_of("proj.0.weight");
  if (adapters.empty()) {
    refuse(ErrorCode::kInvalidArgument, weights,
           "has no adapter for RWKV ('proj.proj.0.weight'); name the checkpoint that has it too (--adapter)");
  }
  const std::string& adapter = adapters[0];
  EncoderPlan plan;
  plan.kind = EncoderKind::kAudio;
  const auto conv1 = tensors.shape(source + "conv1.weight", 3);
  const auto positions = tensors.shape(source + "embed_positions.weight", 2);
  const std::string layer = source + "layers.";
  plan.width = small(conv1[0]);
  plan.mel_bands = small(conv1[1]);
  plan.positions = small(positions[0]);
  plan.layers = tensors.layers(layer);
  plan.heads = heads_for(weights, plan.width, wishes.heads);
  plan.feed_forward = small(tensors.shape(layer + "0.fc1.weight", 2)[0]);
  tensors.linear("encoder.conv1", source + "conv1", 3 * conv1[1], plan.width);
  tensors.linear("encoder.conv2", source + "conv2", std::uint64_t{3} * plan.width, plan.width);
  tensors.floats("encoder.positional_embedding", source + "embed_positions.weight", plan.width, plan.positions);
  for (std::uint32_t i = 0; i < plan.layers; ++i) {
    const std::string from = layer + std::to_string(i) + ".";
    const std::string to = "encoder.blocks." + std::to_string(i) + ".";
    tensors.norm(to + "attn_ln", from + "self_attn_layer_norm", plan.width);
    take_attention(tensors, from, {to + "attn.query", to + "attn.key", to + "attn.value", to + "attn.out"}, plan.width,
                   false);
    tensors.norm(to + "mlp_ln", from + "final_layer_norm", plan.width);
    tensors.linear(to + "mlp.0", from + "fc1", plan.width, plan.feed_forward);
    tensors.linear(to + "mlp.2", from + "fc2", plan.feed_forward, plan.width);
  }
  tensors.norm("encoder.ln_post", source + "layer_norm", plan.width);
  if (!source.empty()) tensors.expect_all_taken(source, {});

  const auto kernel = tensors.shape(adapter + "conv.weight", 3);
  plan.has_adapter = true;
  plan.hidden = small(kernel[0]);
  plan.stride = wishes.stride.value_or(kAudioStride);
  plan.padding = wishes.padding.value_or(kAudioPadding);
  const std::uint64_t rows = tensors.shape(adapter + "proj.2.weight", 2)[0];
  tensors.linear("rwkv.adapter.conv", adapter + "conv", kernel[2] * plan.width, plan.hidden);
  tensors.linear("rwkv.adapter.proj.0", adapter + "proj.0", plan.hidden, plan.hidden);
  tensors.linear("rwkv.adapter.proj.2", adapter + "proj.2", plan.hidden, rows);
  plan.tensors = tensors.finish("Whisper encoder with an adapter");
  return plan;
}

}  // namespace rwkv::convert
