#include <algorithm>
#include <string>
#include <utility>

#include "base/error.h"
#include "media/encoders/encoder_files.h"
#include "media/encoders/sound_windows.h"
#include "media/log_mel.h"
#include "media/sound.h"

namespace rwkv::media {
namespace {

class AudioEncoder : public Encoder {
 public:
  AudioEncoder(OpenedEncoder opened, const EncoderOptions& options)
      : opened_(std::move(opened)),
        network_(*opened_.audio, *opened_.weights, options.exact_attention, GraphPlan::Purpose::kCompute),
        info_(info_of(opened_)),
        threads_(threads_for(options, opened_)) {}

  const EncoderInfo& info() const noexcept override { return info_; }

  std::size_t count_rows(std::span<const std::byte> file, const std::string& name) const override {
    const Sound sound = decode_sound(file, name, kMelRate);
    std::int64_t rows = 0;
    for (const auto window : windows_of(sound)) rows += opened_.audio->rows_of(kept(window.size()));
    return static_cast<std::size_t>(rows);
  }

  std::vector<float> encode(std::span<const std::byte> file, const std::string& name,
                            const EncodeOptions& options) override {
    const Sound sound = decode_sound(file, name, kMelRate);
    const auto windows = windows_of(sound);
    std::vector<float> rows;
    std::size_t done = 0;
    const auto stage_done = [&] {
      if (!options.progress) return;
      options.progress(static_cast<float>(++done) / static_cast<float>(windows.size() * network_.stages()));
    };
    for (const auto window : windows) {
      options.cancel.check();
      const auto mel = log_mel(window, opened_.audio->filters, static_cast<int>(opened_.audio->mel_frames()));
      const auto of_window = network_.compute(mel, kept(window.size()), threads_, options, stage_done);
      rows.insert(rows.end(), of_window.begin(), of_window.end());
    }
    check_rows(rows, *opened_.weights);
    return rows;
  }

 private:
  std::size_t window_samples() const { return static_cast<std::size_t>(opened_.audio->mel_frames()) * kMelHop; }

  std::vector<std::span<const float>> windows_of(const Sound& sound) const {
    return cut_into_windows(sound.samples, window_samples(), kMelRate);
  }

  /// As the adapters were trained: the positions that the samples fill, and one more. At least as many as make a row.
  std::int64_t kept(std::size_t samples) const {
    const auto positions = static_cast<std::size_t>(opened_.audio->encoder.positions);
    const std::size_t filled = (positions * samples + window_samples() - 1) / window_samples();
    auto kept = static_cast<std::int64_t>(std::min(positions, filled + 1));
    while (opened_.audio->rows_of(kept) < 1) ++kept;  // ends: the header's check saw that all of them make one
    return kept;
  }

  OpenedEncoder opened_;
  AudioNetwork network_;
  const EncoderInfo info_;
  Threads threads_;
};

}  // namespace

std::unique_ptr<Encoder> make_audio_encoder(OpenedEncoder opened, const EncoderOptions& options) {
  if (opened.audio->filters.bands == 0) {
    throw Error(ErrorCode::kUnsupported,
                "'" + opened.weights->name() + "' has mel filters for another length than " +
                    std::to_string(kMelWindow) + " samples",
                opened.weights->name());
  }
  return std::make_unique<AudioEncoder>(std::move(opened), options);
}

}  // namespace rwkv::media
