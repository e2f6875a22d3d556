// FLAC and MP3 by miniaudio's decoders, of which nothing else is compiled: no devices, no threads.
#include <cstring>
#include <memory>

#include "media/sound_decoder.h"

#define MINIAUDIO_IMPLEMENTATION
#define MA_API static
#define MA_NO_DEVICE_IO
#define MA_NO_ENCODING
#define MA_NO_ENGINE
#define MA_NO_GENERATION
#define MA_NO_NODE_GRAPH
#define MA_NO_RESOURCE_MANAGER
#define MA_NO_THREADING
#define MA_NO_WAV
#if defined(__GNUC__)
#pragma GCC diagnostic ignored "-Wunused-function"
#pragma GCC diagnostic ignored "-Wold-style-cast"  // of its macros
#endif
#include <miniaudio.h>

namespace rwkv {
namespace {

class FlacDecoder final : public SoundDecoder {
 public:
  explicit FlacDecoder(ma_dr_flac* flac) : flac_(flac) {}

  Format format() const override { return {flac_->sampleRate, flac_->channels, flac_->totalPCMFrameCount}; }

  std::size_t read(std::span<float> frames) override {
    const std::size_t channels = flac_->channels;
    return static_cast<std::size_t>(
               ma_dr_flac_read_pcm_frames_f32(flac_.get(), frames.size() / channels, frames.data())) *
           channels;
  }

 private:
  struct Close {
    void operator()(ma_dr_flac* flac) const { ma_dr_flac_close(flac); }
  };
  std::unique_ptr<ma_dr_flac, Close> flac_;
};

class Mp3Decoder final : public SoundDecoder {
 public:
  ~Mp3Decoder() override {
    if (open_) ma_dr_mp3_uninit(&mp3_);
  }

  bool open(std::span<const std::byte> bytes) {
    open_ = ma_dr_mp3_init_memory(&mp3_, bytes.data(), bytes.size(), nullptr) != 0;
    return open_;
  }

  // How long it is nobody knows without decoding it; what a header says may be wrong.
  Format format() const override { return {mp3_.sampleRate, mp3_.channels, 0}; }

  std::size_t read(std::span<float> frames) override {
    const std::size_t channels = mp3_.channels;
    return static_cast<std::size_t>(ma_dr_mp3_read_pcm_frames_f32(&mp3_, frames.size() / channels, frames.data())) *
           channels;
  }

 private:
  ma_dr_mp3 mp3_{};
  bool open_ = false;
};

}  // namespace

std::unique_ptr<SoundDecoder> open_flac(std::span<const std::byte> bytes) {
  ma_dr_flac* flac = ma_dr_flac_open_memory(bytes.data(), bytes.size(), nullptr);
  return flac ? std::make_unique<FlacDecoder>(flac) : nullptr;
}

std::unique_ptr<SoundDecoder> open_mp3(std::span<const std::byte> bytes) {
  auto decoder = std::make_unique<Mp3Decoder>();
  return decoder->open(bytes) ? std::move(decoder) : nullptr;
}

}  // namespace rwkv
