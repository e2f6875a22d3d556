// What a checkpoint with an encoder of pictures or sound, and an adapter for RWKV, becomes in a GGUF file.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "convert/planned_tensor.h"
#include "convert/rwkv_plan.h"
#include "formats/weights.h"

namespace rwkv::convert {

enum class EncoderKind { kVision, kAudio };

/// What the tensors do not say. Nothing: what published models have.
struct EncoderWishes {
  std::optional<std::uint32_t> heads;    // of attention
  std::optional<std::uint32_t> stride;   // of the adapter's convolution
  std::optional<std::uint32_t> padding;  // of that for sound
  std::optional<bool> tiles;             // pictures are cut into tiles, not squeezed into one square
};

struct EncoderPlan {
  EncoderKind kind = EncoderKind::kVision;
  std::uint32_t layers = 0;
  std::uint32_t width = 0;
  std::uint32_t heads = 0;
  std::uint32_t feed_forward = 0;
  std::uint32_t positions = 0;
  bool has_adapter = false;
  std::uint32_t stride = 0;  // 0: the adapter has no convolution
  std::uint32_t padding = 0;
  // Of pictures.
  std::uint32_t image_size = 0;
  std::uint32_t patch_size = 0;
  std::string adapter;  // "siglip", "auto_siglip2" or "siglip2"
  bool tiles = false;
  // Of sound.
  std::uint32_t mel_bands = 0;
  std::uint32_t hidden = 0;  // inner width of the adapter

  std::vector<PlannedTensor> tensors;  // offsets not set
};

/// Takes SigLIP by the names of transformers, with its adapter beside it ("proj.mlp.0.weight"), whatever stands before
/// these names: "vision_model.", or "encoder.model." as checkpoints of ModRWKV have it, whose language model is left
/// out as the text encoder and the pooling head are. Matrices become `format`; norms, biases and positions floats.
/// Throws Error(kUnsupported) where there is no such encoder or one of another kind, Error(kBadFile) with the list of
/// all tensors that are missing, misshapen or not known, and Error(kInvalidArgument) where the heads are not known.
EncoderPlan plan_vision(const WeightFile& weights, const EncoderWishes& wishes, WeightFormat format);

/// Likewise Whisper's encoder ("model.encoder.conv1.weight") with its adapter ("proj.conv.weight",
/// "proj.proj.0.weight"), which has to be there. A decoder is left out. Without a wish the adapter's stride is 2 and
/// its padding 2, as ModRWKV trains it since May 2025.
EncoderPlan plan_audio(const WeightFile& weights, const EncoderWishes& wishes, WeightFormat format);

}  // namespace rwkv::convert
