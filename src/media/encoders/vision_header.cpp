#include <algorithm>
#include <string>

#include "base/error.h"
#include "media/encoders/header_keys.h"
#include "media/encoders/vision_network.h"

namespace rwkv::media {
namespace {

constexpr std::int64_t kMostPixels = 4096;  // a side
constexpr std::int64_t kMostPositions = 16384;
constexpr std::int64_t kMostWidth = 16384;
constexpr std::int64_t kMostLayers = 256;
constexpr std::int64_t kMostFeedForward = 65536;
constexpr std::int64_t kMostTilesASide = 16;
constexpr std::int64_t kShuffle = 4;  // neighbours a side that ModalityProjector puts together

[[noreturn]] void refuse(ErrorCode code, const std::string& file, const std::string& what) {
  throw Error(code, "'" + file + "' " + what, file);
}

void refuse_other_encoders(const GgufFile& file, const EncoderWeights& weights) {
  const HeaderKeys keys(file);
  const std::string_view projector = keys.text("clip.projector_type");
  if (projector.starts_with("qwen") || weights.has("v.patch_embd.weight.1") ||
      weights.has("v.deepstack.5.fc1.weight")) {
    refuse(ErrorCode::kUnsupported, file.name(),
           "is an encoder of the Qwen-VL kind (2-D rotary positions, merged patches), which is not supported; use a "
           "SigLIP encoder with an RWKV adapter");
  }
  if (weights.has("v.class_embd") || weights.has("v.pre_ln.weight")) {
    refuse(ErrorCode::kUnsupported, file.name(),
           "is a CLIP encoder with a class token or a norm before its layers, which is not supported; use a SigLIP "
           "encoder with an RWKV adapter");
  }
}

Activation activation_of(const HeaderKeys& keys) {
  if (keys.flag("clip.use_silu")) return Activation::kSilu;
  // Files without either flag are of converters that meant quick GELU, unless they say nothing at all.
  if (keys.flag("clip.use_gelu") || !keys.has("clip.use_gelu")) return Activation::kGeluTanh;
  return Activation::kGeluQuick;
}

// The sizes of a convolution kernel [taps, width, width], or [taps x width, width]: its taps.
std::int64_t taps_of(const EncoderWeights& weights, std::string_view name, std::int64_t width) {
  const std::uint64_t elements = weights.elements(name);
  const auto square = static_cast<std::uint64_t>(width) * static_cast<std::uint64_t>(width);
  const std::uint64_t taps = elements / square;
  if (elements % square != 0 || taps < 1 || taps > 64) {
    refuse(ErrorCode::kBadFile, weights.name(),
           "has an adapter whose convolution does not fit the encoder's width " + std::to_string(width));
  }
  return static_cast<std::int64_t>(taps);
}

std::int64_t last_dimension(const EncoderWeights& weights, std::string_view name) {
  const std::uint64_t size = weights.dimensions(name).back();
  if (size > static_cast<std::uint64_t>(kMostFeedForward)) {
    refuse(ErrorCode::kBadFile, weights.name(), "has an adapter that is " + std::to_string(size) + " wide");
  }
  return static_cast<std::int64_t>(size);
}

VisionAdapterKind adapter_kind(std::string_view said, const EncoderWeights& weights, std::int64_t width) {
  for (const VisionAdapterKind kind :
       {VisionAdapterKind::kSiglip, VisionAdapterKind::kAutoSiglip2, VisionAdapterKind::kSiglip2}) {
    if (said == to_string(kind)) return kind;
  }
  if (!said.empty()) {
    refuse(ErrorCode::kUnsupported, weights.name(),
           "has an adapter of the kind '" + std::string(said.substr(0, 64)) +
               "'; known are siglip, auto_siglip2 and siglip2");
  }
  if (weights.has("rwkv_adapter.proj.weight")) return VisionAdapterKind::kSiglip2;
  if (!weights.has("rwkv_adapter.proj.0.weight")) {
    refuse(ErrorCode::kUnsupported, weights.name(),
           "is an encoder without an adapter; name the adapter's file too, or a file with both");
  }
  // The published one with a convolution of six is told from that of three by the kernel alone.
  const bool wide = weights.has("rwkv_adapter.conv.weight") && taps_of(weights, "rwkv_adapter.conv.weight", width) > 3;
  return wide || !weights.has("rwkv_adapter.pre_norm.weight") ? VisionAdapterKind::kAutoSiglip2
                                                              : VisionAdapterKind::kSiglip;
}

void read_adapter(VisionHeader& header, const HeaderKeys& keys, const EncoderWeights& weights) {
  const std::int64_t width = header.encoder.width;
  header.adapter = adapter_kind(keys.text("rwkv.adapter.kind"), weights, width);
  if (header.adapter == VisionAdapterKind::kSiglip2) {
    header.row_width = last_dimension(weights, "rwkv_adapter.proj.weight");
    if (header.side % kShuffle != 0) {
      refuse(ErrorCode::kBadFile, weights.name(),
             "has an adapter for blocks of 4 x 4 patches and " + std::to_string(header.side) + " patches a side");
    }
    header.block = kShuffle;
    header.rows = header.side / kShuffle * (header.side / kShuffle);
    return;
  }
  header.hidden = last_dimension(weights, "rwkv_adapter.proj.0.weight");
  header.row_width = last_dimension(weights, "rwkv_adapter.proj.2.weight");
  header.rows = header.encoder.positions;
  if (!weights.has("rwkv_adapter.conv.weight")) return;
  header.conv_taps = taps_of(weights, "rwkv_adapter.conv.weight", width);
  // 2 of 3, and 5 of 6.
  header.conv_stride = keys.whole_or("rwkv.adapter.stride", std::max<std::int64_t>(1, header.conv_taps - 1), 1, 64);
  header.rows = convolved_rows(header.encoder.positions, header.conv_taps, header.conv_stride, 0);
  if (header.rows < 1) refuse(ErrorCode::kBadFile, weights.name(), "has an adapter that leaves no row of a picture");
}

PictureRules read_rules(const HeaderKeys& keys, const GgufFile& file, std::int64_t image_size) {
  PictureRules rules;
  rules.side = static_cast<int>(image_size);
  rules.mean = keys.colours_or("clip.vision.image_mean", 0);
  rules.deviation = keys.colours_or("clip.vision.image_std", 1);
  for (const float value : rules.deviation) {
    if (!(value > 0)) refuse(ErrorCode::kBadFile, file.name(), "divides colours by a number that is not above 0");
  }
  if (keys.whole_or("rwkv.vision.tiles", 0, 0, 1) == 0) {
    rules.filter = ResizeFilter::kBilinear;
    return rules;
  }
  rules.max_side = static_cast<int>(keys.whole("rwkv.vision.max_side", image_size, kMostTilesASide * image_size));
  if (rules.max_side % rules.side != 0) {
    refuse(ErrorCode::kBadFile, file.name(),
           "cuts pictures of " + std::to_string(rules.max_side) + " into tiles of " + std::to_string(rules.side));
  }
  return rules;
}

}  // namespace

std::string_view to_string(VisionAdapterKind kind) noexcept {
  switch (kind) {
    case VisionAdapterKind::kSiglip: return "siglip";
    case VisionAdapterKind::kAutoSiglip2: return "auto_siglip2";
    case VisionAdapterKind::kSiglip2: return "siglip2";
  }
  return "";
}

VisionHeader read_vision_header(const GgufFile& file, const GgufFile* adapter_file, const EncoderWeights& weights) {
  const HeaderKeys keys(file);
  refuse_other_encoders(file, weights);
  if (!keys.has("clip.vision.image_size") && file.find_tensor("v.patch_embd.weight") == nullptr) {
    refuse(ErrorCode::kUnsupported, file.name(), "is an adapter without an encoder; name the encoder's file first");
  }
  VisionHeader header;
  header.name = keys.text("general.name");
  header.image_size = keys.whole("clip.vision.image_size", 1, kMostPixels);
  header.patch_size = keys.whole("clip.vision.patch_size", 1, header.image_size);
  header.side = header.image_size / header.patch_size;
  header.layers = keys.whole("clip.vision.block_count", 1, kMostLayers);
  TransformerShape& shape = header.encoder;
  shape.positions = header.side * header.side;
  shape.width = keys.whole("clip.vision.embedding_length", 1, kMostWidth);
  shape.heads = keys.whole("clip.vision.attention.head_count", 1, kMostWidth);
  shape.feed_forward = keys.whole("clip.vision.feed_forward_length", 1, kMostFeedForward);
  shape.norm_epsilon = keys.real_or("clip.vision.attention.layer_norm_epsilon", 1e-6f);
  shape.activation = activation_of(keys);
  if (shape.positions > kMostPositions) {
    refuse(ErrorCode::kUnsupported, file.name(), "has " + std::to_string(shape.positions) + " patches, too many");
  }
  if (shape.width % shape.heads != 0) {
    refuse(
        ErrorCode::kBadFile, file.name(),
        "has " + std::to_string(shape.heads) + " heads, which do not divide its width " + std::to_string(shape.width));
  }
  const HeaderKeys adapter_keys(adapter_file == nullptr ? file : *adapter_file);
  read_adapter(header, adapter_keys, weights);
  header.rules = read_rules(keys, file, header.image_size);
  return header;
}

}  // namespace rwkv::media
