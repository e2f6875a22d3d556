#include "runtime/state_cache.h"

#include <gtest/gtest.h>

#include <map>
#include <random>

namespace rwkv {
namespace {

State state_of(std::int64_t position, std::size_t bytes = 100, int mark = 1) {
  return State(StateBytes(bytes, static_cast<std::byte>(mark)), position);
}

State state_of(const Tokens& tokens) { return state_of(static_cast<std::int64_t>(tokens.size())); }

// The bytes that one entry takes whose key is `tokens` long and has nothing in common with others.
std::uint64_t bytes_of_one(std::size_t tokens) {
  StateCache cache(1 << 20);
  cache.insert(Tokens(tokens, 1), state_of(static_cast<std::int64_t>(tokens)));
  return cache.stats().bytes;
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
  EXPECT_TRUE(cache.longest_prefix(Tokens{1, 3}).is_zero());
  EXPECT_TRUE(cache.longest_prefix(Tokens{}).is_zero());
}

TEST(StateCache, BeginningsWithAnUnstablePartAreNotTaken) {
  StateCache cache(1 << 20);
  for (const std::size_t size : {1u, 3u, 5u}) cache.insert(Tokens(size, 7), state_of(static_cast<std::int64_t>(size)));
  EXPECT_EQ(cache.longest_prefix(Tokens(6, 7), {2, 1}).position(), 3) << "5 would leave one token";
  EXPECT_EQ(cache.longest_prefix(Tokens(5, 7), {2, 1}).position(), 5);
  EXPECT_EQ(cache.longest_prefix(Tokens(3, 7), {4, 1}).position(), 3) << "the whole text";
  EXPECT_TRUE(cache.longest_prefix(Tokens(4, 7), {3, 1}).is_zero());
}

TEST(StateCache, StaysWithinItsBytesAndDropsTheLeastRecentlyUsed) {
  StateCache cache(3 * bytes_of_one(1));
  for (const TokenId id : {1, 2, 3}) cache.insert(Tokens{id}, state_of(1));
  EXPECT_EQ(cache.longest_prefix(Tokens{1}).position(), 1);  // 2 is now the oldest
  cache.insert(Tokens{4}, state_of(1));
  EXPECT_EQ(cache.stats().entries, 3u);
  EXPECT_LE(cache.stats().bytes, cache.stats().limit_bytes);
  EXPECT_TRUE(cache.longest_prefix(Tokens{2}).is_zero());
  EXPECT_EQ(cache.longest_prefix(Tokens{1}).position(), 1);
  EXPECT_EQ(cache.longest_prefix(Tokens{4}).position(), 1);
}

TEST(StateCache, PinnedStatesStayWhateverTheLimitUntilTheyAreErased) {
  StateCache cache(2 * bytes_of_one(1));
  cache.pin(Tokens{1}, state_of(1));
  for (TokenId id = 2; id < 20; ++id) cache.insert(Tokens{id}, state_of(1));
  EXPECT_EQ(cache.longest_prefix(Tokens{1, 5}).position(), 1);
  cache.clear();
  cache.set_limit(0);
  EXPECT_EQ(cache.longest_prefix(Tokens{1, 5}).position(), 1);
  EXPECT_EQ(cache.stats().entries, 1u);
  EXPECT_EQ(cache.stats().pinned_bytes, 100u);
  cache.erase(Tokens{1});
  EXPECT_EQ(cache.stats().entries, 0u);
  EXPECT_EQ(cache.stats().pinned_bytes, 0u);
  EXPECT_EQ(cache.stats().bytes, 0u);
}

TEST(StateCache, EraseForgetsEveryTextThatBeginsSoAndNoOther) {
  StateCache cache(1 << 20);
  for (const Tokens& key :
       {Tokens{1, 2}, Tokens{1, 2, 3}, Tokens{1, 2, 3, 4, 5}, Tokens{1, 2, 4}, Tokens{1, 3}, Tokens{2}}) {
    cache.insert(key, state_of(key));
  }
  cache.erase(Tokens{1, 2, 3, 4});  // ends inside of an edge
  EXPECT_EQ(cache.longest_prefix(Tokens{1, 2, 3, 4, 5}).position(), 3);
  cache.erase(Tokens{1, 2});
  EXPECT_TRUE(cache.longest_prefix(Tokens{1, 2, 4}).is_zero());
  EXPECT_EQ(cache.longest_prefix(Tokens{1, 3}).position(), 2);
  EXPECT_EQ(cache.stats().entries, 2u);
  cache.erase(Tokens{9});
  cache.erase(Tokens{});
  EXPECT_EQ(cache.stats().bytes, 0u);
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
  cache.set_limit(2 * bytes_of_one(1) + 1);
  EXPECT_EQ(cache.stats().entries, 2u);
  cache.clear();
  EXPECT_EQ(cache.stats().bytes, 0u);
  EXPECT_TRUE(cache.longest_prefix(Tokens{9}).is_zero());
}

TEST(StateCache, WhatBeganBeforeAClearDoesNotComeBack) {
  StateCache cache(1 << 20);
  const std::uint64_t clears = cache.stats().clears;
  cache.insert_if_not_cleared(clears, Tokens{1}, state_of(1));
  EXPECT_EQ(cache.stats().entries, 1u);
  cache.clear();
  cache.insert_if_not_cleared(clears, Tokens{1}, state_of(1));
  EXPECT_EQ(cache.stats().entries, 0u);
}

// Against a map of whole keys, which has no tree to get wrong.
TEST(StateCache, RandomUseGivesWhatAListOfAllKeysGives) {
  std::mt19937 random(3);
  StateCache cache(1 << 30);
  std::map<Tokens, State> known;
  const auto random_key = [&] {
    Tokens key(random() % 12);
    for (TokenId& token : key) token = static_cast<TokenId>(random() % 3);
    return key;
  };
  for (int step = 0; step < 20000; ++step) {
    const Tokens key = random_key();
    switch (random() % 12) {
      case 0: {
        cache.erase(key);
        std::erase_if(known, [&](const auto& entry) {
          return entry.first.size() >= key.size() && std::equal(key.begin(), key.end(), entry.first.begin());
        });
        break;
      }
      case 1:
      case 2:
      case 3:
      case 4:
        if (key.empty()) break;
        cache.insert(key, state_of(key));
        known.emplace(key, state_of(key));
        break;
      default: {
        std::int64_t longest = 0;
        for (const auto& [other, state] : known) {
          if (other.size() <= key.size() && std::equal(other.begin(), other.end(), key.begin())) {
            longest = std::max(longest, state.position());
          }
        }
        ASSERT_EQ(cache.longest_prefix(key).position(), longest) << step;
      }
    }
    ASSERT_EQ(cache.stats().entries, known.size());
  }
  for (const StateCache::Node& node : cache.nodes()) ASSERT_TRUE(known.contains(node.tokens));
  cache.clear();
  EXPECT_EQ(cache.stats().bytes, 0u);
}

TEST(StateCache, ADeepTreeIsTakenDown) {
  auto cache = std::make_unique<StateCache>(std::uint64_t{1} << 40);
  Tokens key;
  for (int i = 0; i < 3000; ++i) {
    key.push_back(1);
    cache->insert(key, state_of(static_cast<std::int64_t>(key.size()), 1));
  }
  EXPECT_EQ(cache->stats().entries, 3000u);
  cache.reset();
}

}  // namespace
}  // namespace rwkv
