#include "runtime/chunks.h"

#include <gtest/gtest.h>

#include <random>

namespace rwkv {
namespace {

constexpr StableCut kCuts[] = {{1, 1}, {2, 1}, {8, 1}, {2, 4}, {4, 4}, {8, 8}};

TEST(Chunks, ChunksEndOnTheGridAndLeaveAStableRest) {
  for (const StableCut cut : kCuts) {
    for (std::size_t done = 0; done < 24; done += cut.grid) {
      for (std::size_t end = done; end < done + 40; ++end) {
        for (std::size_t wanted = 0; wanted < 40; ++wanted) {
          const std::size_t chunk = chunk_of(done, end, wanted, cut);
          if (done + chunk == end) continue;
          ASSERT_GE(chunk, cut.chunk);
          ASSERT_EQ((done + chunk) % cut.grid, 0u);
          ASSERT_GE(end - done - chunk, cut.chunk);
        }
      }
    }
  }
}

TEST(Chunks, AChunkIsWhatWasWantedWhereThatLeavesEnough) {
  EXPECT_EQ(chunk_of(0, 100, 40, {2, 1}), 40u);
  EXPECT_EQ(chunk_of(0, 41, 40, {2, 1}), 39u);
  EXPECT_EQ(chunk_of(0, 42, 40, {2, 1}), 40u);
  EXPECT_EQ(chunk_of(0, 3, 2, {2, 1}), 3u);
  EXPECT_EQ(chunk_of(4, 100, 10, {2, 4}), 8u);
  EXPECT_EQ(chunk_of(4, 100, 1, {2, 4}), 4u);
}

TEST(Chunks, BothSidesOfABeginningAreStable) {
  EXPECT_TRUE(can_begin_at(0, 10, {4, 1}));
  EXPECT_TRUE(can_begin_at(10, 10, {4, 4}));
  EXPECT_TRUE(can_begin_at(3, 3, {4, 1}));
  EXPECT_FALSE(can_begin_at(3, 10, {4, 1}));
  EXPECT_TRUE(can_begin_at(4, 8, {4, 1}));
  EXPECT_FALSE(can_begin_at(7, 10, {4, 1}));
  EXPECT_FALSE(can_begin_at(6, 20, {2, 4}));
}

TEST(Chunks, NoChunkGoesAcrossABorderAndTheGridBeginsAnewThere) {
  const std::vector<std::size_t> borders{5, 29};
  const StableCut cut{8, 8, borders};
  std::vector<std::size_t> ends;
  for (std::size_t done = 0; done < 60;) ends.push_back(done += chunk_of(done, 60, 8, cut));
  EXPECT_EQ(ends, (std::vector<std::size_t>{5, 13, 21, 29, 37, 45, 60}));
  for (const std::size_t checkpoint : {0u, 5u, 13u, 21u, 29u, 37u, 45u, 60u})
    EXPECT_TRUE(can_begin_at(checkpoint, 60, cut)) << checkpoint;
  for (const std::size_t checkpoint : {4u, 8u, 16u, 24u, 32u, 53u})
    EXPECT_FALSE(can_begin_at(checkpoint, 60, cut)) << checkpoint;
  EXPECT_EQ(stable_position_before(36, cut), 29u);
  EXPECT_EQ(stable_position_before(44, cut), 37u);
  EXPECT_EQ(stable_position_before(4, cut), 0u);
}

TEST(Chunks, TheEndOfMediaIsRememberedThoughLittleStandsBeforeIt) {
  const std::vector<std::size_t> borders{3, 7};
  EXPECT_EQ(choose_checkpoints(0, 60, std::vector<std::size_t>{7, 30}, {8, 8, borders}),
            (std::vector<std::size_t>{7, 23}));
}

TEST(Chunks, TextsJoinWhereBothCanStop) {
  EXPECT_EQ(choose_join(50, {0, 100}, {10, 200}), 50u);
  EXPECT_EQ(choose_join(50, {0, 100, {}, {8, 8}}, {10, 200, {}, {8, 8}}), 48u);
  EXPECT_EQ(choose_join(50, {0, 100, {}, {8, 8}}, {48, 200, {}, {8, 8}}), 0u);  // the other has come too far
  const std::vector<std::size_t> checkpoints{40};
  EXPECT_EQ(choose_join(45, {0, 100, {}, {8, 8}}, {10, 200, checkpoints, {8, 8}}), 40u);
}

TEST(Chunks, CheckpointsAreOnTheGridAscendingAndStable) {
  std::mt19937 random(1);
  for (int round = 0; round < 2000; ++round) {
    const StableCut cut = kCuts[random() % std::size(kCuts)];
    const std::size_t begin = random() % 2000 / cut.grid * cut.grid;
    const std::size_t end = begin + random() % 3000;
    std::vector<std::size_t> turns;
    for (std::size_t at = random() % 50; at < 6000; at += 1 + random() % (round % 2 ? 20 : 700)) turns.push_back(at);
    std::size_t last = begin;
    for (const std::size_t checkpoint : choose_checkpoints(begin, end, turns, cut)) {
      ASSERT_EQ(checkpoint % cut.grid, 0u);
      ASSERT_GE(checkpoint, last + cut.chunk);
      ASSERT_LE(checkpoint + cut.chunk, end);
      ASSERT_LE(checkpoint - last, 600u);  // what is prefilled again after a change
      last = checkpoint;
    }
    ASSERT_LE(end - last, 600u);
  }
}

TEST(Chunks, TheLastTurnsAreRememberedHoweverShort) {
  const std::vector<std::size_t> turns{100, 105, 110, 115, 120};
  EXPECT_EQ(choose_checkpoints(0, 130, turns, {2, 1}), (std::vector<std::size_t>{100, 115, 120}));
}

TEST(ChunkSize, FindsTheSizeThatTakesTheTimeWhateverTheCostOfAChunk) {
  for (const double fixed : {0.0, 0.005, 0.02}) {
    for (const double a_token : {0.00005, 0.0004, 0.001}) {
      ChunkSize size;
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

TEST(ChunkSize, AfterLargeChunksSmallOnesDoNotTakeMuchLonger) {
  ChunkSize size;
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
