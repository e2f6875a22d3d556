// The files of an encoder, opened and parsed.
#pragma once

#include <memory>
#include <optional>

#include "media/encoders/audio_network.h"
#include "media/encoders/encoder_weights.h"
#include "media/encoders/open_encoder.h"
#include "media/encoders/vision_network.h"

namespace rwkv::media {

/// A vision header or an audio header, and the tensors.
struct OpenedEncoder {
  std::unique_ptr<EncoderWeights> weights;
  std::optional<VisionHeader> vision;
  std::optional<AudioHeader> audio;
};

/// Throws as load_encoder().
OpenedEncoder open_files(const EncoderFiles& files);

/// What is the same for both kinds, once the network has taken its tensors.
EncoderInfo info_of(const OpenedEncoder& opened);

/// The number of threads that was wished for, or one that suits the work of a whole picture or window.
int threads_for(const EncoderOptions& options, const OpenedEncoder& opened);

/// Throws Error(kEvaluation) unless all values are finite, and Error(kBadFile) when a file has been cut.
void check_rows(std::span<const float> rows, const EncoderWeights& weights);

std::unique_ptr<Encoder> make_vision_encoder(OpenedEncoder opened, const EncoderOptions& options);
std::unique_ptr<Encoder> make_audio_encoder(OpenedEncoder opened, const EncoderOptions& options);

}  // namespace rwkv::media
