#include "base/page_allocator.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <fstream>
#include <limits>
#include <memory>
#include <vector>

#include "base/machine.h"

namespace rwkv {
namespace {

using Bytes = std::vector<char, PageAllocator<char>>;

TEST(PageAllocator, SmallAndLargeBlocksGrowAndKeepWhatIsInThem) {
  Bytes bytes;
  for (int i = 0; i < 300'000; ++i) bytes.push_back(static_cast<char>(i % 101));
  for (int i = 0; i < 300'000; ++i) ASSERT_EQ(bytes[static_cast<std::size_t>(i)], i % 101);
  bytes.resize(10);
  bytes.shrink_to_fit();
  EXPECT_EQ(bytes[9], 9);
  EXPECT_EQ(Bytes(100'000)[99'999], 0);
}

TEST(PageAllocator, WhatIsTooMuchIsBadAlloc) {
  EXPECT_THROW(allocate_pages(std::numeric_limits<std::size_t>::max() / 4), std::bad_alloc);
}

#if defined(__linux__) && !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)

TEST(PageAllocator, WhatIsFreedBetweenBlocksInUseIsBackAtOnce) {
  const auto resident = [] {
    std::uint64_t pages = 0;
    std::ifstream("/proc/self/statm") >> pages >> pages;
    return static_cast<double>(pages * inspect_machine().page_bytes);
  };
  constexpr std::size_t kBlock = 400'000;
  std::vector<std::unique_ptr<Bytes>> blocks;
  for (int i = 0; i < 200; ++i) blocks.push_back(std::make_unique<Bytes>(kBlock, 'x'));
  const double before = resident();
  for (std::size_t i = 0; i < blocks.size(); i += 2) blocks[i].reset();
  EXPECT_LE(resident(), before - 0.9 * 100 * kBlock);
}

#endif

}  // namespace
}  // namespace rwkv
