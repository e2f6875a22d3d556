// Against transformers' WhisperFeatureExtractor (tools/reference/sounds.py).
#include "media/log_mel.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstdint>
#include <numbers>

#include "media/media_file.h"
#include "support/refusal.h"

namespace rwkv {
namespace {

/// The sound of tools/reference/sounds.py.
std::vector<float> chirp(double seconds) {
  std::vector<float> samples(static_cast<std::size_t>(std::lround(seconds * kMelRate)));
  for (std::size_t i = 0; i < samples.size(); ++i) {
    const double t = static_cast<double>(i) / kMelRate;
    std::uint32_t hash = static_cast<std::uint32_t>(i) * 2654435761U + 12345U;
    hash ^= hash >> 15;
    const double noise = (hash & 0xFFFF) / 65536.0 - 0.5;
    samples[i] = static_cast<float>(0.5 * std::exp(-t) * std::sin(2 * std::numbers::pi * (200 * t + 1500 * t * t)) +
                                    0.01 * noise);
  }
  return samples;
}

TEST(LogMel, IsThatOfTheTraining) {
  for (const auto& expected : test::media_json("log_mel.json")) {
    SCOPED_TRACE(expected["bands"].dump() + " bands, " + expected["frames"].dump() + " frames");
    const int frames = expected["frames"];
    const int step = expected["step"];
    const int bands = expected["bands"];
    const auto values = log_mel(chirp(expected["seconds"]), slaney_filters(bands), frames);
    ASSERT_EQ(values.size(), static_cast<std::size_t>(bands * frames));
    std::size_t at = 0;
    for (int band = 0; band < bands; ++band) {
      for (int frame = 0; frame < frames; frame += step, ++at) {
        ASSERT_NEAR(values[static_cast<std::size_t>(band * frames + frame)], expected["values"][at].get<double>(), 1e-4)
            << band << ", " << frame;
      }
    }
    EXPECT_EQ(at, expected["values"].size());
  }
}

TEST(LogMel, SilenceIsTheLowestValueEverywhere) {
  // log10(1e-10) = -10, and (-10 + 4) / 4.
  for (const float value : log_mel({}, slaney_filters(80), 100)) ASSERT_EQ(value, -1.5f);
}

TEST(LogMel, WhatDoesNotFitIsRefused) {
  const std::vector<float> second(kMelRate);
  const auto refused = [&](const MelFilters& filters, int frames) {
    return !test::refusal(ErrorCode::kInvalidArgument, [&] { log_mel(second, filters, frames); }).empty();
  };
  EXPECT_FALSE(refused(slaney_filters(80), 100));
  EXPECT_TRUE(refused(slaney_filters(80), 99));
  EXPECT_TRUE(refused(slaney_filters(80), -1));
  EXPECT_TRUE(refused({}, 100));
  EXPECT_TRUE(refused({80, std::vector<float>(80 * 200)}, 100));
}

}  // namespace
}  // namespace rwkv
