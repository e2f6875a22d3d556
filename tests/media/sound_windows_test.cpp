#include "media/encoders/sound_windows.h"

#include <gtest/gtest.h>

namespace rwkv::media {
namespace {

constexpr std::size_t kRate = 1000;

std::vector<std::size_t> sizes(std::span<const float> samples, std::size_t window) {
  std::vector<std::size_t> sizes;
  const float* next = samples.data();
  for (const auto part : cut_into_windows(samples, window, kRate)) {
    EXPECT_EQ(part.data(), next) << "windows follow each other";
    next += part.size();
    sizes.push_back(part.size());
  }
  EXPECT_EQ(next, samples.data() + samples.size());
  return sizes;
}

TEST(SoundWindows, WhatFitsIsNotCut) {
  EXPECT_EQ(sizes(std::vector<float>(5000, 1), 5000), (std::vector<std::size_t>{5000}));
  EXPECT_EQ(sizes({}, 5000), (std::vector<std::size_t>{0}));
}

TEST(SoundWindows, ALongRecordingIsCutWhereItIsQuietest) {
  std::vector<float> samples(9000, 1);
  std::fill(samples.begin() + 1000, samples.begin() + 1020, 0.0f);  // quieter still, but before the last two seconds
  std::fill(samples.begin() + 4100, samples.begin() + 4120, 0.1f);
  EXPECT_EQ(sizes(samples, 5000), (std::vector<std::size_t>{4110, 4890}));
}

TEST(SoundWindows, WithoutQuietEveryWindowIsTheSame) {
  EXPECT_EQ(sizes(std::vector<float>(10000, 1), 5000), (std::vector<std::size_t>{3010, 3010, 3980}));
}

TEST(SoundWindows, WindowsOfAFewSamplesEndToo) {
  for (std::size_t window = 1; window < 50; ++window) {
    for (const std::size_t size : sizes(std::vector<float>(200, 1), window)) {
      EXPECT_GT(size, 0u);
      EXPECT_LE(size, window);
    }
  }
}

}  // namespace
}  // namespace rwkv::media
