// The engine's threads.
#include <gtest/gtest.h>

#include <atomic>
#include <numeric>
#include <vector>

#include "backends/native/thread_pool.h"

namespace rwkv::native {
namespace {

TEST(NativeThreadPool, EachPieceIsDoneOnceBeforeTheCallReturns) {
  for (const int threads : {1, 2, 5}) {
    ThreadPool pool(threads);
    EXPECT_EQ(pool.threads(), threads);
    for (int round = 0; round < 2000; ++round) {
      const auto count = static_cast<std::size_t>(round % 37);
      std::vector<int> done(count, 0);  // not atomic: who is told that all is done sees it
      if (round % 500 == 0) pool.sleep();
      pool.run(count, CancelToken(), [&](std::size_t piece) { ++done[piece]; });
      ASSERT_EQ(std::accumulate(done.begin(), done.end(), 0), static_cast<int>(count));
      ASSERT_TRUE(std::all_of(done.begin(), done.end(), [](int times) { return times == 1; }));
    }
  }
}

// At its end a thread may be on its way to wait for work, poll for it or sleep.
TEST(NativeThreadPool, EndsWhateverItsThreadsDo) {
  for (int round = 0; round < 3000; ++round) {
    ThreadPool pool(3);
    std::atomic<int> done = 0;
    if (round % 3 == 1) pool.sleep();
    if (round % 3 > 0) pool.run(3, CancelToken(), [&](std::size_t) { ++done; });
    EXPECT_EQ(done, round % 3 > 0 ? 3 : 0);
  }
}

TEST(NativeThreadPool, OnceCancelledItBeginsNoMorePieces) {
  for (const int threads : {1, 3}) {
    ThreadPool pool(threads);
    const CancelToken cancel;
    std::atomic<int> done = 0;
    pool.run(1000, cancel, [&](std::size_t) {
      if (++done == 10) cancel.cancel();
    });
    EXPECT_GE(done, 10);
    EXPECT_LE(done, 10 + threads);
    pool.run(1000, cancel, [&](std::size_t) { ++done; });
    EXPECT_LE(done, 10 + threads);
  }
}

}  // namespace
}  // namespace rwkv::native
