// What a filter does to tones, which is known without another resampler.
#include "media/resampler.h"

#include <gtest/gtest.h>

#include <cmath>
#include <numbers>

namespace rwkv {
namespace {

std::vector<float> tone(double hertz, int rate, int count) {
  std::vector<float> samples;
  for (int i = 0; i < count; ++i)
    samples.push_back(static_cast<float>(std::sin(2 * std::numbers::pi * hertz * i / rate)));
  return samples;
}

std::vector<float> resampled(const std::vector<float>& samples, int from, int to) {
  Resampler resampler(from, to);
  std::vector<float> result;
  resampler.push(samples, result);
  resampler.finish(result);
  return result;
}

/// The greatest absolute value apart from both ends, where the sound begins and ends at once.
double highest(const std::vector<float>& samples) {
  double most = 0;
  for (std::size_t i = 200; i + 200 < samples.size(); ++i)
    most = std::max(most, std::fabs(static_cast<double>(samples[i])));
  return most;
}

TEST(Resampler, TonesThatTheLowerRateCannotCarryVanish) {
  for (const double hertz : {8100.0, 9000.0, 12000.0, 20000.0, 23900.0}) {
    EXPECT_LT(20 * std::log10(highest(resampled(tone(hertz, 48000, 24000), 48000, 16000))), -80) << hertz;
  }
}

TEST(Resampler, NoImagesOfATemporalGridAppear) {
  const auto samples = resampled(tone(1000, 8000, 4000), 8000, 16000);
  const auto expected = tone(1000, 16000, 8000);
  ASSERT_EQ(samples.size(), expected.size());
  for (std::size_t i = 200; i + 200 < samples.size(); ++i) ASSERT_NEAR(samples[i], expected[i], 1e-4) << i;
}

TEST(Resampler, HowTheSoundIsCutDoesNotMatter) {
  const auto samples = tone(700, 44100, 5000);
  const auto whole = resampled(samples, 44100, 16000);
  for (const std::size_t piece : {1u, 7u, 441u, 4096u}) {
    Resampler resampler(44100, 16000);
    std::vector<float> result;
    for (std::size_t at = 0; at < samples.size(); at += piece) {
      resampler.push(std::span(samples).subspan(at, std::min(piece, samples.size() - at)), result);
    }
    resampler.finish(result);
    EXPECT_EQ(result, whole) << piece;
  }
}

TEST(Resampler, EveryLengthHasItsShareOfSamples) {
  for (const auto& [from, to] :
       {std::pair{8000, 16000}, {16000, 16000}, {44100, 16000}, {48000, 16000}, {4000, 384000}}) {
    for (const int count : {0, 1, 2, 3, 100, 441}) {
      const auto expected = static_cast<std::size_t>((static_cast<std::int64_t>(count) * to + from - 1) / from);
      EXPECT_EQ(resampled(std::vector<float>(static_cast<std::size_t>(count)), from, to).size(), expected)
          << from << " " << count;
    }
  }
}

}  // namespace
}  // namespace rwkv
