#include "runtime/reading.h"

#include <gtest/gtest.h>

#include <random>

namespace rwkv {
namespace {

TEST(Reading, PiecesAreStableAndLeaveAStableRest) {
  for (const std::size_t stable : {1u, 2u, 8u}) {
    for (std::size_t left = 0; left < 40; ++left) {
      for (std::size_t wanted = 0; wanted < 40; ++wanted) {
        const std::size_t piece = piece_of(left, wanted, stable);
        ASSERT_LE(piece, left);
        if (left < stable) {
          ASSERT_EQ(piece, left);
          continue;
        }
        ASSERT_GE(piece, stable);
        ASSERT_TRUE(piece == left || left - piece >= stable);
      }
    }
  }
}

TEST(Reading, APieceIsWhatWasWantedWhereThatLeavesEnough) {
  EXPECT_EQ(piece_of(100, 40, 2), 40u);
  EXPECT_EQ(piece_of(41, 40, 2), 39u);
  EXPECT_EQ(piece_of(42, 40, 2), 40u);
  EXPECT_EQ(piece_of(3, 2, 2), 3u);
}

TEST(Reading, BothSidesOfABeginningAreStable) {
  EXPECT_TRUE(can_begin_at(0, 10, 4));
  EXPECT_TRUE(can_begin_at(10, 10, 4));
  EXPECT_TRUE(can_begin_at(3, 3, 4));
  EXPECT_FALSE(can_begin_at(3, 10, 4));
  EXPECT_TRUE(can_begin_at(4, 8, 4));
  EXPECT_FALSE(can_begin_at(7, 10, 4));
}

TEST(Reading, PlacesAreInsideAscendingAndStable) {
  std::mt19937 random(1);
  for (int round = 0; round < 2000; ++round) {
    const std::size_t stable = 1 + random() % 8;
    const std::size_t begin = random() % 2000;
    const std::size_t end = begin + random() % 3000;
    std::vector<std::size_t> turns;
    for (std::size_t at = random() % 50; at < 6000; at += 1 + random() % (round % 2 ? 20 : 700)) turns.push_back(at);
    std::size_t last = begin;
    const auto places = places_to_remember(begin, end, turns, stable);
    for (const std::size_t place : places) {
      ASSERT_GE(place, last + stable);
      ASSERT_LE(place + stable, end);
      last = place;
    }
    // No more than some hundred tokens are read again after any change.
    for (std::size_t i = 0; i + 1 < places.size(); ++i) ASSERT_LE(places[i + 1] - places[i], 600u);
  }
}

TEST(Reading, TheLastTurnsAreRememberedHoweverShort) {
  const std::vector<std::size_t> turns{100, 105, 110, 115, 120};
  EXPECT_EQ(places_to_remember(0, 130, turns, 2), (std::vector<std::size_t>{100, 115, 120}));
}

TEST(PieceSize, FindsTheSizeThatTakesTheTimeWhateverTheCostOfAPiece) {
  for (const double fixed : {0.0, 0.005, 0.02}) {
    for (const double a_token : {0.00005, 0.0004, 0.001}) {
      PieceSize size;
      double last = 0;
      for (int i = 0; i < 30; ++i) {
        const std::size_t tokens = size.tokens_in(0.04);
        last = fixed + a_token * static_cast<double>(tokens);
        size.measured(tokens, last);
      }
      EXPECT_LT(last, 0.06);
      EXPECT_GT(last, 0.015);
    }
  }
}

TEST(PieceSize, AfterLargePiecesSmallOnesDoNotTakeMuchLonger) {
  PieceSize size;
  size.measured(512, 0.02 + 512 * 0.0005);
  for (int i = 0; i < 10; ++i) {
    const std::size_t tokens = size.tokens_in(0.04);
    const double took = 0.02 + static_cast<double>(tokens) * 0.0005;
    EXPECT_LT(took, 0.06);
    size.measured(tokens, took);
  }
}

}  // namespace
}  // namespace rwkv
