// Resizing and tiles against Pillow 11.3 and torch (tools/reference/resizing.py).
#include "media/picture_input.h"

#include <gtest/gtest.h>

#include <cmath>

#include "base/crc32.h"
#include "media/media_file.h"
#include "media/noise.h"
#include "support/refusal.h"

namespace rwkv {
namespace {

TEST(Resize, IsByteForByteThatOfPillow) {
  int cases = 0;
  for (const auto& expected : test::media_json("resize.json")) {
    const Picture picture = test::noise(expected["size"][0], expected["size"][1]);
    const auto filter = expected["filter"] == "bicubic" ? ResizeFilter::kBicubic : ResizeFilter::kBilinear;
    const Picture resized = resize(picture, expected["to"][0], expected["to"][1], filter);
    EXPECT_EQ(resized.size(), (PictureSize{expected["to"][0], expected["to"][1]}));
    EXPECT_EQ(crc32(std::as_bytes(std::span(resized.rgb))), expected["crc32"].get<std::uint32_t>()) << expected;
    ++cases;
  }
  EXPECT_EQ(cases, 60);
}

PictureRules rules_of(const std::string& mode) {
  if (mode == "tiles") return {8, 16, ResizeFilter::kBicubic, {}, {1, 1, 1}};
  return {8, 0, ResizeFilter::kBilinear, {0.5f, 0.4f, 0.3f}, {0.5f, 0.25f, 0.2f}};
}

TEST(Preprocess, TilesAndSquaresHaveTheValuesOfTheTraining) {
  for (const auto& expected : test::media_json("preprocess.json")) {
    SCOPED_TRACE(expected["mode"].get<std::string>() + " " + expected["size"].dump());
    const Picture picture = test::noise(expected["size"][0], expected["size"][1]);
    const PictureRules rules = rules_of(expected["mode"]);
    const PictureInput input = preprocess(picture, rules);
    EXPECT_EQ(input.tiles, expected["tiles"].get<int>());
    EXPECT_EQ(tile_count(picture.size(), rules), input.tiles);
    const auto& values = expected["values"];
    ASSERT_EQ(input.values.size(), values.size());
    for (std::size_t i = 0; i < values.size(); ++i) ASSERT_NEAR(input.values[i], values[i].get<float>(), 1e-6) << i;
  }
}

TEST(Preprocess, EveryShapeHasThreeOrFiveTilesOfTheUsualSize) {
  const PictureRules rules{384, 768, ResizeFilter::kBicubic, {}, {1, 1, 1}};
  for (const auto& [size, tiles] : {std::pair{PictureSize{1, 1}, 5},
                                    {{1, 30000}, 3},
                                    {{30000, 1}, 3},
                                    {{768, 768}, 5},
                                    {{2, 1}, 3},
                                    {{1000, 500}, 3},
                                    {{1000, 501}, 5},
                                    {{4032, 3024}, 5},
                                    {{1920, 960}, 3}}) {
    EXPECT_EQ(tile_count(size, rules), tiles) << size.width << " x " << size.height;
  }
  for (int side = 1; side <= 30000; side += 7) EXPECT_EQ(tile_count({side, side}, rules), 5) << side;
}

TEST(Preprocess, RulesThatCannotBeAreRefused) {
  const PictureRules impossible[] = {{0, 0, {}, {}, {1, 1, 1}},
                                     {-1, 0, {}, {}, {1, 1, 1}},
                                     {384, 700, {}, {}, {1, 1, 1}},
                                     {40000, 0, {}, {}, {1, 1, 1}},
                                     {384, -384, {}, {}, {1, 1, 1}},
                                     {384, 0, {}, {}, {1, 0, 1}},
                                     {384, 0, {}, {}, {1, std::nanf(""), 1}}};
  for (const PictureRules& rules : impossible) {
    for (const bool decode : {true, false}) {
      test::expect_words(
          test::refusal(ErrorCode::kInvalidArgument,
                        [&] { decode ? void(preprocess(test::noise(3, 2), rules)) : void(tile_count({3, 2}, rules)); }),
          {"encoder's file"});
    }
  }
}

}  // namespace
}  // namespace rwkv
