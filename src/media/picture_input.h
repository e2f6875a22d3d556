// What a vision encoder takes: a picture as squares of floats.
#pragma once

#include <array>
#include <vector>

#include "media/picture.h"
#include "media/resize.h"

namespace rwkv {

/// How the encoder of a file wants its pictures; all of it comes from that file.
struct PictureRules {
  int side = 384;    // of a square, in pixels
  int max_side = 0;  // 0: the whole picture becomes one square; else a multiple of `side`: tiles
  ResizeFilter filter = ResizeFilter::kBicubic;
  std::array<float, 3> mean{};              // subtracted from values of 0 to 1
  std::array<float, 3> deviation{1, 1, 1};  // what is left is divided by these
};

struct PictureInput {
  int tiles = 0;
  int side = 0;
  std::vector<float> values;  // tiles x 3 x side x side
};

/// How many squares `preprocess` makes of a picture of that size.
int tile_count(PictureSize size, const PictureRules& rules);

/// One square: the picture is resized to it, whatever its shape. Tiles: the long side becomes max_side and the short
/// one the next multiple of `side`, so that the shape is not kept exactly; of more than one tile, the whole picture in
/// one tile (bilinear, from floats) comes before them, then they follow row by row. So were the public models trained.
/// Throws Error(kInvalidArgument) for rules that cannot be.
PictureInput preprocess(const Picture& picture, const PictureRules& rules);

}  // namespace rwkv
