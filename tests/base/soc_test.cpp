#include "base/soc.h"

#include <gtest/gtest.h>

namespace rwkv {
namespace {

TEST(Soc, SnapdragonsAreKnownByTheirNumber) {
  const Soc chip = identify_soc("Snapdragon", 557, "");
  EXPECT_EQ(chip.platform, "Snapdragon");
  EXPECT_EQ(chip.part, "SM8650");
  EXPECT_EQ(chip.name, "8 Gen 3");
  EXPECT_EQ(chip.htp, "v75");
  EXPECT_EQ(identify_soc("Snapdragon", 660, "").htp, "v81");
  EXPECT_EQ(identify_soc("Snapdragon", 642, "").name, "8s Gen 3");
}

TEST(Soc, MediaTeksAreKnownByTheNumberInTheHardwaresName) {
  const Soc chip = identify_soc("", -1, "mt6989");
  EXPECT_EQ(chip.platform, "MediaTek");
  EXPECT_EQ(chip.part, "6989");
  EXPECT_EQ(chip.name, "Dimensity 9300");
  EXPECT_EQ(chip.htp, "");
  EXPECT_EQ(identify_soc("", -1, "MT6991Z").name, "Dimensity 9400");
}

TEST(Soc, WhatIsNotKnownIsEmpty) {
  EXPECT_EQ(identify_soc("Snapdragon", 999999, "").platform, "Snapdragon");
  EXPECT_EQ(identify_soc("Snapdragon", 999999, "").name, "");
  EXPECT_EQ(identify_soc("", -1, "mt1234").platform, "MediaTek");
  EXPECT_EQ(identify_soc("", -1, "mt1234").part, "");
  EXPECT_EQ(identify_soc("Exynos", 557, "exynos9820").platform, "");
  EXPECT_EQ(identify_soc("", 0, "").platform, "");
}

}  // namespace
}  // namespace rwkv
