#include <algorithm>

#include "media/encoders/encoder_files.h"
#include "media/picture.h"
#include "media/picture_input.h"

namespace rwkv::media {
namespace {

class VisionEncoder : public Encoder {
 public:
  VisionEncoder(OpenedEncoder opened, const EncoderOptions& options)
      : opened_(std::move(opened)),
        network_(*opened_.vision, *opened_.weights, options.exact_attention, GraphPlan::Purpose::kCompute),
        info_(info_of(opened_)),
        threads_(threads_for(options, opened_)) {}

  const EncoderInfo& info() const noexcept override { return info_; }

  std::size_t count_rows(std::span<const std::byte> file, const std::string& name) const override {
    const int tiles = tile_count(picture_size(file, name), opened_.vision->rules);
    return static_cast<std::size_t>(tiles) * static_cast<std::size_t>(opened_.vision->rows);
  }

  std::vector<float> encode(std::span<const std::byte> file, const std::string& name,
                            const EncodeOptions& options) override {
    const PictureInput input = preprocess(decode_picture(file, name), opened_.vision->rules);
    options.cancel.check();
    const auto tiles = static_cast<std::size_t>(input.tiles);
    const std::size_t tile = input.values.size() / tiles;
    std::vector<float> rows;
    rows.reserve(tiles * static_cast<std::size_t>(opened_.vision->rows * opened_.vision->row_width));
    std::size_t done = 0;
    const auto stage_done = [&] {
      if (!options.progress) return;
      options.progress(static_cast<float>(++done) / static_cast<float>(tiles * network_.stages()));
    };
    for (std::size_t i = 0; i < tiles; ++i) {
      const auto of_tile =
          network_.compute(std::span(input.values).subspan(i * tile, tile), threads_, options, stage_done);
      rows.insert(rows.end(), of_tile.begin(), of_tile.end());
    }
    check_rows(rows, *opened_.weights);
    return rows;
  }

 private:
  OpenedEncoder opened_;
  VisionNetwork network_;
  const EncoderInfo info_;
  Threads threads_;
};

}  // namespace

std::unique_ptr<Encoder> make_vision_encoder(OpenedEncoder opened, const EncoderOptions& options) {
  return std::make_unique<VisionEncoder>(std::move(opened), options);
}

}  // namespace rwkv::media
