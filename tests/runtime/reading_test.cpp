#include "runtime/reading.h"

#include <gtest/gtest.h>

#include <random>

namespace rwkv {
namespace {

constexpr StableCut kCuts[] = {{1, 1}, {2, 1}, {8, 1}, {2, 4}, {4, 4}, {8, 8}};

TEST(Reading, PiecesEndOnTheGridAndLeaveAStableRest) {
  for (const StableCut cut : kCuts) {
    for (std::size_t done = 0; done < 24; done += cut.grid) {
      for (std::size_t end = done; end < done + 40; ++end) {
        for (std::size_t wanted = 0; wanted < 40; ++wanted) {
          const std::size_t piece = piece_of(done, end, wanted, cut);
          if (done + piece == end) continue;
          ASSERT_GE(piece, cut.piece);
          ASSERT_EQ((done + piece) % cut.grid, 0u);
          ASSERT_GE(end - done - piece, cut.piece);
        }
      }
    }
  }
}

TEST(Reading, APieceIsWhatWasWantedWhereThatLeavesEnough) {
  EXPECT_EQ(piece_of(0, 100, 40, {2, 1}), 40u);
  EXPECT_EQ(piece_of(0, 41, 40, {2, 1}), 39u);
  EXPECT_EQ(piece_of(0, 42, 40, {2, 1}), 40u);
  EXPECT_EQ(piece_of(0, 3, 2, {2, 1}), 3u);
  EXPECT_EQ(piece_of(4, 100, 10, {2, 4}), 8u);
  EXPECT_EQ(piece_of(4, 100, 1, {2, 4}), 4u);
}

TEST(Reading, BothSidesOfABeginningAreStable) {
  EXPECT_TRUE(can_begin_at(0, 10, {4, 1}));
  EXPECT_TRUE(can_begin_at(10, 10, {4, 4}));
  EXPECT_TRUE(can_begin_at(3, 3, {4, 1}));
  EXPECT_FALSE(can_begin_at(3, 10, {4, 1}));
  EXPECT_TRUE(can_begin_at(4, 8, {4, 1}));
  EXPECT_FALSE(can_begin_at(7, 10, {4, 1}));
  EXPECT_FALSE(can_begin_at(6, 20, {2, 4}));
}

TEST(Reading, NoPieceGoesAcrossABorderAndTheGridBeginsAnewThere) {
  const std::vector<std::size_t> borders{5, 29};
  const StableCut cut{8, 8, borders};
  std::vector<std::size_t> ends;
  for (std::size_t done = 0; done < 60;) ends.push_back(done += piece_of(done, 60, 8, cut));
  EXPECT_EQ(ends, (std::vector<std::size_t>{5, 13, 21, 29, 37, 45, 60}));
  for (const std::size_t place : {0u, 5u, 13u, 21u, 29u, 37u, 45u, 60u})
    EXPECT_TRUE(can_begin_at(place, 60, cut)) << place;
  for (const std::size_t place : {4u, 8u, 16u, 24u, 32u, 53u}) EXPECT_FALSE(can_begin_at(place, 60, cut)) << place;
  EXPECT_EQ(stable_place_before(36, cut), 29u);
  EXPECT_EQ(stable_place_before(44, cut), 37u);
  EXPECT_EQ(stable_place_before(4, cut), 0u);
}

TEST(Reading, TheEndOfMediaIsRememberedThoughLittleStandsBeforeIt) {
  const std::vector<std::size_t> borders{3, 7};
  EXPECT_EQ(places_to_remember(0, 60, std::vector<std::size_t>{7, 30}, {8, 8, borders}),
            (std::vector<std::size_t>{7, 23}));
}

TEST(Reading, TextsJoinWhereBothCanStop) {
  EXPECT_EQ(choose_join(50, {0, 100}, {10, 200}), 50u);
  EXPECT_EQ(choose_join(50, {0, 100, {}, {8, 8}}, {10, 200, {}, {8, 8}}), 48u);
  EXPECT_EQ(choose_join(50, {0, 100, {}, {8, 8}}, {48, 200, {}, {8, 8}}), 0u);  // the other has come too far
  const std::vector<std::size_t> places{40};
  EXPECT_EQ(choose_join(45, {0, 100, {}, {8, 8}}, {10, 200, places, {8, 8}}), 40u);
}

TEST(Reading, PlacesAreOnTheGridAscendingAndStable) {
  std::mt19937 random(1);
  for (int round = 0; round < 2000; ++round) {
    const StableCut cut = kCuts[random() % std::size(kCuts)];
    const std::size_t begin = random() % 2000 / cut.grid * cut.grid;
    const std::size_t end = begin + random() % 3000;
    std::vector<std::size_t> turns;
    for (std::size_t at = random() % 50; at < 6000; at += 1 + random() % (round % 2 ? 20 : 700)) turns.push_back(at);
    std::size_t last = begin;
    for (const std::size_t place : places_to_remember(begin, end, turns, cut)) {
      ASSERT_EQ(place % cut.grid, 0u);
      ASSERT_GE(place, last + cut.piece);
      ASSERT_LE(place + cut.piece, end);
      ASSERT_LE(place - last, 600u);  // what is read again after a change
      last = place;
    }
    ASSERT_LE(end - last, 600u);
  }
}

TEST(Reading, TheLastTurnsAreRememberedHoweverShort) {
  const std::vector<std::size_t> turns{100, 105, 110, 115, 120};
  EXPECT_EQ(places_to_remember(0, 130, turns, {2, 1}), (std::vector<std::size_t>{100, 115, 120}));
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
