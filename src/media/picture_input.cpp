#include "media/picture_input.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>

#include "base/error.h"

namespace rwkv {
namespace {

/// The size that the tiles cover, or of the one square.
PictureSize resized(PictureSize size, const PictureRules& rules) {
  const bool possible =
      rules.side > 0 && rules.side <= kMaxPictureSide && rules.max_side >= 0 && rules.max_side <= kMaxPictureSide &&
      rules.max_side % rules.side == 0 &&
      std::all_of(rules.deviation.begin(), rules.deviation.end(), [](float value) { return value > 0; });
  if (!possible) {
    throw Error(ErrorCode::kInvalidArgument,
                "pictures cannot be cut into tiles of " + std::to_string(rules.side) + " out of " +
                    std::to_string(rules.max_side) +
                    " pixels: the vision encoder's file is damaged or of a kind that is not known");
  }
  if (rules.max_side == 0) return {rules.side, rules.side};
  const auto multiple = [&](int side) {
    const std::int64_t step = std::int64_t{std::max(size.width, size.height)} * rules.side;
    return static_cast<int>((std::int64_t{side} * rules.max_side + step - 1) / step) * rules.side;
  };
  return {multiple(size.width), multiple(size.height)};
}

/// Planes of values from 0 to 1.
std::vector<float> planes_of(const Picture& picture) {
  const std::size_t pixels = picture.rgb.size() / 3;
  std::vector<float> planes(picture.rgb.size());
  for (std::size_t channel = 0; channel < 3; ++channel) {
    for (std::size_t i = 0; i < pixels; ++i)
      planes[channel * pixels + i] = static_cast<float>(picture.rgb[i * 3 + channel]) / 255.0f;
  }
  return planes;
}

void normalize(std::vector<float>& values, std::size_t plane, const PictureRules& rules) {
  for (std::size_t i = 0; i < values.size(); ++i) {
    const std::size_t channel = i / plane % 3;
    values[i] = (values[i] - rules.mean[channel]) / rules.deviation[channel];
  }
}

}  // namespace

int tile_count(PictureSize size, const PictureRules& rules) {
  const PictureSize whole = resized(size, rules);
  const int tiles = whole.width / rules.side * (whole.height / rules.side);
  return tiles > 1 ? tiles + 1 : tiles;
}

PictureInput preprocess(const Picture& picture, const PictureRules& rules) {
  const PictureSize whole = resized(picture.size(), rules);
  PictureInput input{tile_count(picture.size(), rules), rules.side, {}};
  const std::vector<float> planes = planes_of(resize(picture, whole.width, whole.height, rules.filter));
  if (input.tiles > 1) {
    input.values = resize_planes(planes, 3, whole, {rules.side, rules.side});
  }
  const auto side = static_cast<std::size_t>(rules.side);
  const auto width = static_cast<std::size_t>(whole.width);
  const auto height = static_cast<std::size_t>(whole.height);
  input.values.reserve(static_cast<std::size_t>(input.tiles) * 3 * side * side);
  for (std::size_t top = 0; top < height; top += side) {
    for (std::size_t left = 0; left < width; left += side) {
      for (std::size_t row = 0; row < 3 * side; ++row) {
        const float* source = &planes[(row / side * height + top + row % side) * width + left];
        input.values.insert(input.values.end(), source, source + side);
      }
    }
  }
  normalize(input.values, side * side, rules);
  return input;
}

}  // namespace rwkv
