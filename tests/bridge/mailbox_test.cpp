#include "bridge/mailbox.h"

#include <gtest/gtest.h>

#include <thread>

namespace rwkv::bridge {
namespace {

using namespace std::chrono_literals;

// AddressSanitizer sees it when the thread looks at the time of a task that is gone.
TEST(Mailbox, StoppingWhileATaskWaitsForItsTimeDropsTheTask) {
  for (int round = 0; round < 20; ++round) {
    Mailbox mailbox;
    std::thread runner([&mailbox] { mailbox.run(); });
    bool ran = false;
    mailbox.post_at(Mailbox::Clock::now() + 1h, [&ran] { ran = true; });
    std::this_thread::sleep_for(2ms);
    mailbox.stop();
    runner.join();
    EXPECT_FALSE(ran);
  }
}

}  // namespace
}  // namespace rwkv::bridge
