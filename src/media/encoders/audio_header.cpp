#include <cstring>
#include <string>

#include "base/error.h"
#include "media/encoders/audio_network.h"
#include "media/encoders/header_keys.h"

namespace rwkv::media {
namespace {

constexpr std::int64_t kMostPositions = 16384;
constexpr std::int64_t kMostWidth = 16384;
constexpr std::int64_t kMostLayers = 256;
constexpr std::int64_t kMostBands = 1024;
constexpr std::int64_t kMostHidden = 65536;
constexpr std::int64_t kMostTaps = 64;
constexpr float kNormEpsilon = 1e-5f;

[[noreturn]] void refuse(const EncoderWeights& weights, const std::string& what) {
  throw Error(ErrorCode::kBadFile, "'" + weights.name() + "' " + what, weights.name());
}

// What the tensors' shapes say, and what follows from the rest.
void finish(AudioHeader& header, const EncoderWeights& weights) {
  TransformerShape& shape = header.encoder;
  shape.norm_epsilon = kNormEpsilon;
  shape.activation = Activation::kGeluErf;
  const std::uint64_t feed_forward = weights.dimensions("encoder.blocks.0.mlp.0.weight").back();
  const std::uint64_t row_width = weights.dimensions("rwkv.adapter.proj.2.weight").back();
  const std::uint64_t kernel = weights.elements("rwkv.adapter.conv.weight");
  const auto a_tap = static_cast<std::uint64_t>(shape.width) * static_cast<std::uint64_t>(header.hidden);
  if (shape.positions > kMostPositions || shape.width > kMostWidth || header.layers > kMostLayers ||
      header.mel_bands > kMostBands || feed_forward > static_cast<std::uint64_t>(kMostHidden) ||
      row_width > static_cast<std::uint64_t>(kMostHidden) || header.hidden > kMostHidden) {
    refuse(weights, "is larger than any encoder of this kind");
  }
  if (shape.width % shape.heads != 0) {
    refuse(weights, "has " + std::to_string(shape.heads) + " heads, which do not divide its width " +
                        std::to_string(shape.width));
  }
  if (kernel % a_tap != 0 || kernel / a_tap < 1 || kernel / a_tap > static_cast<std::uint64_t>(kMostTaps)) {
    refuse(weights, "has an adapter whose convolution does not fit the encoder's width");
  }
  shape.feed_forward = static_cast<std::int64_t>(feed_forward);
  header.row_width = static_cast<std::int64_t>(row_width);
  header.adapter_taps = static_cast<std::int64_t>(kernel / a_tap);
  if (header.rows_of(shape.positions) < 1) refuse(weights, "has an adapter that leaves no row of a window");
}

}  // namespace

std::int64_t AudioHeader::rows_of(std::int64_t kept) const noexcept {
  return convolved_rows(kept, adapter_taps, adapter_stride, adapter_padding);
}

AudioHeader read_audio_header(const GgufFile& file, const EncoderWeights& weights) {
  const HeaderKeys keys(file);
  AudioHeader header;
  header.name = keys.text("general.name");
  header.mel_bands = keys.whole("whisper.n_mels", 1, kMostBands);
  header.encoder.positions = keys.whole("whisper.audio_ctx", 1, kMostPositions);
  header.encoder.width = keys.whole("whisper.width", 1, kMostWidth);
  header.encoder.heads = keys.whole("whisper.heads", 1, kMostWidth);
  header.layers = keys.whole("whisper.layers", 1, kMostLayers);
  header.adapter_stride = keys.whole("rwkv.adapter.stride", 1, kMostTaps);
  header.adapter_padding = keys.whole("rwkv.adapter.padding", 0, kMostTaps);
  header.hidden = keys.whole("rwkv.adapter.hidden", 1, kMostHidden);
  header.filters = slaney_filters(static_cast<int>(header.mel_bands));
  finish(header, weights);
  return header;
}

AudioHeader read_audio_header(const WhisperGgmlFile& file, const EncoderWeights& weights) {
  AudioHeader header;
  header.mel_bands = file.mel_bands;
  header.encoder.positions = file.audio_context;
  header.encoder.width = file.width;
  header.encoder.heads = file.heads;
  header.layers = file.layers;
  header.adapter_stride = 1;
  header.adapter_padding = 1;
  header.hidden = file.adapter_hidden;
  finish(header, weights);
  if (file.mel_bins == kMelBins) {
    header.filters.bands = static_cast<int>(file.mel_bands);
    header.filters.weights.resize(file.mel_filters.size() / sizeof(float));
    std::memcpy(header.filters.weights.data(), file.mel_filters.data(), file.mel_filters.size());
  }
  if (header.row_width != file.row_width) {
    refuse(weights, "says that its rows have " + std::to_string(file.row_width) + " values, and its adapter gives " +
                        std::to_string(header.row_width));
  }
  return header;
}

}  // namespace rwkv::media
