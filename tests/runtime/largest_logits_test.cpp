#include "runtime/largest_logits.h"

#include <gtest/gtest.h>

namespace rwkv {
namespace {

TEST(LargestLogits, TheLargestComesFirstAndEqualOnesByTheirIds) {
  const std::vector<float> logits{1, 3, -2, 3, 2};
  EXPECT_EQ(largest_logits(logits, 3), (std::vector<TokenId>{1, 3, 4}));
}

TEST(LargestLogits, AskedForMoreThanThereAreGivesAll) {
  const std::vector<float> logits{1, 2};
  EXPECT_EQ(largest_logits(logits, 9), (std::vector<TokenId>{1, 0}));
  EXPECT_EQ(largest_logits({}, 1), std::vector<TokenId>{});
}

}  // namespace
}  // namespace rwkv
