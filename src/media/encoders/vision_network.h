// SigLIP and SigLIP2 with fixed resolution, and the adapters that make rows for a language model of what they see.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "engine/encoder.h"
#include "media/encoders/encoder_weights.h"
#include "media/encoders/graph_plan.h"
#include "media/encoders/transformer.h"
#include "media/picture_input.h"

namespace rwkv::media {

/// How rows are made of the encoder's output, by the names of the training code's registry.
enum class VisionAdapterKind {
  kSiglip,       // y = h + norm(h), h = mlp.2(relu(mlp.0 x)), optionally after a convolution
  kAutoSiglip2,  // y = mlp.2(gelu(mlp.0(conv x)))
  kSiglip2,      // y = proj of blocks of 4 x 4 neighbours
};

std::string_view to_string(VisionAdapterKind kind) noexcept;

struct VisionHeader {
  std::string name;
  std::int64_t image_size = 0;  // pixels a side
  std::int64_t patch_size = 0;
  std::int64_t side = 0;  // patches a side
  TransformerShape encoder;
  std::int64_t layers = 0;
  VisionAdapterKind adapter = VisionAdapterKind::kSiglip;
  std::int64_t block = 0;      // kSiglip2: neighbours a side that become one row
  std::int64_t conv_taps = 0;  // 0: no convolution
  std::int64_t conv_stride = 0;
  std::int64_t hidden = 0;     // inner width of the adapter; 0: it has none
  std::int64_t row_width = 0;  // C, the language model's width
  std::int64_t rows = 0;       // of one picture of image_size
  PictureRules rules;          // what becomes of a picture before
};

/// Reads "clip" files: an encoder with its adapter, or the encoder in `file` and the adapter in `adapter_file` (null:
/// none), whose tensors are in `weights`. Throws Error(kBadFile, kUnsupported) for everything that does not fit.
VisionHeader read_vision_header(const GgufFile& file, const GgufFile* adapter_file, const EncoderWeights& weights);

/// Computes one picture of image_size a time.
class VisionNetwork {
 public:
  VisionNetwork(const VisionHeader& header, EncoderWeights& weights, bool exact_attention, GraphPlan::Purpose purpose);

  std::size_t stages() const noexcept { return plan_.stages(); }
  std::uint64_t bytes() const noexcept { return plan_.bytes(); }

  /// `pixels`: 3 x image_size x image_size values, colour by colour, scaled and normalised. Gives rows x row_width
  /// values, valid until the next call. `stage_done` is called stages() times. Throws as GraphPlan::compute().
  std::span<const float> compute(std::span<const float> pixels, const Threads& threads, const EncodeOptions& options,
                                 const std::function<void()>& stage_done);
  /// The encoder's last output after its last norm, positions x width: what the adapter was given.
  std::span<const float> hidden() const { return GraphPlan::values(x_); }

 private:
  struct Adapter {
    const Gather* columns = nullptr;  // null: rows of the encoder as they are
    Linear conv, first, last;
    Norm norm;
  };

  void add_encoder(EncoderWeights& weights, bool exact_attention);
  void add_adapter(EncoderWeights& weights);
  ggml_tensor* adapt(const Ops& ops, const Adapter& adapter, std::int64_t first, std::int64_t count);

  const VisionHeader header_;
  GraphPlan plan_;
  ggml_tensor* patches_ = nullptr;
  ggml_tensor* x_ = nullptr;
  ggml_tensor* rows_ = nullptr;
};

}  // namespace rwkv::media
