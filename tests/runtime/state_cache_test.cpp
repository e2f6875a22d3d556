#include "runtime/state_cache.h"

#include <gtest/gtest.h>

namespace rwkv {
namespace {

State state_of(std::int64_t position, std::size_t bytes = 100) {
  return State(std::vector<std::byte>(bytes, std::byte{1}), position);
}

TEST(StateCache, FindsTheLongestStoredPrefixWhateverTheOrderOfInsertion) {
  StateCache cache(1 << 20);
  cache.insert(Tokens{1, 2, 3}, state_of(3));
  cache.insert(Tokens{1}, state_of(1));
  cache.insert(Tokens{1, 2}, state_of(2));
  EXPECT_EQ(cache.longest_prefix(Tokens{1, 2, 3, 4}).position(), 3);
  EXPECT_EQ(cache.longest_prefix(Tokens{1, 2, 9}).position(), 2);
  EXPECT_EQ(cache.longest_prefix(Tokens{1}).position(), 1);
}

TEST(StateCache, UnknownTextGivesTheZeroState) {
  StateCache cache(1 << 20);
  cache.insert(Tokens{1, 2}, state_of(2));
  EXPECT_TRUE(cache.longest_prefix(Tokens{2}).is_zero());
  EXPECT_TRUE(cache.longest_prefix(Tokens{1}).is_zero());
  EXPECT_TRUE(cache.longest_prefix(Tokens{}).is_zero());
}

TEST(StateCache, StaysWithinItsBytesAndDropsTheLeastRecentlyUsed) {
  StateCache cache(3 * (100 + sizeof(TokenId)));
  for (const TokenId id : {1, 2, 3}) cache.insert(Tokens{id}, state_of(1));
  EXPECT_EQ(cache.longest_prefix(Tokens{1}).position(), 1);  // 2 is now the oldest
  cache.insert(Tokens{4}, state_of(1));
  EXPECT_EQ(cache.stats().entries, 3u);
  EXPECT_LE(cache.stats().bytes, cache.stats().limit_bytes);
  EXPECT_TRUE(cache.longest_prefix(Tokens{2}).is_zero());
  EXPECT_EQ(cache.longest_prefix(Tokens{1}).position(), 1);
  EXPECT_EQ(cache.longest_prefix(Tokens{4}).position(), 1);
}

TEST(StateCache, AStateLargerThanTheLimitIsNotKept) {
  StateCache cache(50);
  cache.insert(Tokens{1}, state_of(1));
  EXPECT_EQ(cache.stats().entries, 0u);
  EXPECT_EQ(cache.stats().bytes, 0u);
}

TEST(StateCache, ReinsertingKeepsOneEntry) {
  StateCache cache(1 << 20);
  cache.insert(Tokens{1}, state_of(1));
  cache.insert(Tokens{1}, state_of(1));
  EXPECT_EQ(cache.stats().entries, 1u);
}

TEST(StateCache, LoweringTheLimitEvictsAtOnceAndClearForgetsAll) {
  StateCache cache(1 << 20);
  for (TokenId id = 0; id < 10; ++id) cache.insert(Tokens{id}, state_of(1));
  cache.set_limit(250);
  EXPECT_EQ(cache.stats().entries, 2u);
  cache.clear();
  EXPECT_EQ(cache.stats().bytes, 0u);
  EXPECT_TRUE(cache.longest_prefix(Tokens{9}).is_zero());
}

}  // namespace
}  // namespace rwkv
