// Whisper's encoder, and the adapter that makes rows for a language model of what it hears.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "engine/encoder.h"
#include "media/encoders/encoder_weights.h"
#include "media/encoders/graph_plan.h"
#include "media/encoders/transformer.h"
#include "media/log_mel.h"

namespace rwkv::media {

struct AudioHeader {
  std::string name;
  std::int64_t mel_bands = 0;
  TransformerShape encoder;  // positions: of one window, half its mel frames
  std::int64_t layers = 0;
  std::int64_t adapter_stride = 0;
  std::int64_t adapter_padding = 0;
  std::int64_t adapter_taps = 0;
  std::int64_t hidden = 0;     // inner width of the adapter
  std::int64_t row_width = 0;  // C, the language model's width
  MelFilters filters;          // of no bands where the file has them for frames of another length

  std::int64_t mel_frames() const noexcept { return 2 * encoder.positions; }
  /// The number of rows that the first `kept` positions of a window become.
  std::int64_t rows_of(std::int64_t kept) const noexcept;
};

/// Reads our GGUF files ("whisper-rwkv"). Throws Error(kBadFile, kUnsupported) for everything that does not fit.
AudioHeader read_audio_header(const GgufFile& file, const EncoderWeights& weights);
/// whisper.cpp's files with an adapter, which say nothing of its stride and padding: both are 1.
AudioHeader read_audio_header(const WhisperGgmlFile& file, const EncoderWeights& weights);

/// Computes one window a time.
class AudioNetwork {
 public:
  AudioNetwork(const AudioHeader& header, EncoderWeights& weights, bool exact_attention, GraphPlan::Purpose purpose);

  std::size_t stages() const noexcept { return encoder_.stages() + 1; }
  /// Memory of the encoder and of an adapter for a whole window.
  std::uint64_t bytes() const noexcept;

  /// `mel`: mel_bands x mel_frames values, band by band. Gives the rows of the first `kept` positions, 1 to all, valid
  /// until the next call. `stage_done` is called stages() times. Throws as GraphPlan::compute().
  std::span<const float> compute(std::span<const float> mel, std::int64_t kept, const Threads& threads,
                                 const EncodeOptions& options, const std::function<void()>& stage_done);
  /// The encoder's last output after its last norm, positions x width.
  std::span<const float> hidden() const { return GraphPlan::values(x_); }

 private:
  // The adapter's graph for a number of positions.
  struct Adapter {
    Adapter(GraphPlan::Purpose purpose) : plan(purpose) {}
    GraphPlan plan;
    ggml_tensor* rows = nullptr;
    std::int64_t kept = 0;
  };

  void add_encoder(EncoderWeights& weights, bool exact_attention);
  std::unique_ptr<Adapter> adapter_for(std::int64_t kept) const;

  const AudioHeader header_;
  const GraphPlan::Purpose purpose_;
  GraphPlan encoder_;
  ggml_tensor* mel_ = nullptr;
  ggml_tensor* x_ = nullptr;
  Linear conv_, first_, last_;  // of the adapter
  std::unique_ptr<Adapter> adapter_;
};

}  // namespace rwkv::media
