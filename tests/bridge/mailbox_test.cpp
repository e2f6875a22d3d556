#include "bridge/mailbox.h"

#include <gtest/gtest.h>

#include <memory>
#include <new>
#include <optional>
#include <string>
#include <thread>

#include "base/error.h"

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

// Runs all that was posted, and what is posted to lanes.
std::string order_of(Mailbox& mailbox, const std::string& order) {
  for (int turn = 0; turn < 5; ++turn) mailbox.post_to(99, 0, [] {});
  mailbox.post_to(99, 0, [&mailbox] { mailbox.stop(); });
  mailbox.run();
  return order;
}

TEST(Mailbox, LanesAreServedInTurnAndADroppedOneNotAtAll) {
  Mailbox mailbox;
  std::string order;
  for (const char* each : {"a", "b", "c"}) mailbox.post_to(1, 0, [&order, each] { order += each; });
  for (const char* each : {"x", "y"}) mailbox.post_to(2, 0, [&order, each] { order += each; });
  mailbox.post_to(3, 0, [&order] { order += "never"; });
  mailbox.drop_lane(3);
  mailbox.post([&order] { order += "!"; });
  EXPECT_EQ(order_of(mailbox, order), "!axbyc");
}

TEST(Mailbox, WhatADroppedLaneHoldsGoesAtOnce) {
  Mailbox mailbox;
  const auto held = std::make_shared<int>(1);
  for (int i = 0; i < 3; ++i) mailbox.post_to(1, 0, [held] {});
  EXPECT_EQ(held.use_count(), 4);
  mailbox.drop_lane(1);
  EXPECT_EQ(held.use_count(), 1);
}

TEST(Mailbox, ALaneHasABoundButTakesOneThatWaitsAlone) {
  Mailbox mailbox;
  const auto code_of = [&](std::size_t bytes) -> std::optional<ErrorCode> {
    try {
      mailbox.post_to(1, bytes, [] {});
      return std::nullopt;
    } catch (const Error& error) {
      return error.code();
    }
  };
  EXPECT_EQ(code_of(std::size_t{200} << 20), std::nullopt);
  EXPECT_EQ(code_of(1), ErrorCode::kBusy);
  mailbox.post_to(2, 1, [] {});
  mailbox.drop_lane(1);
  EXPECT_EQ(code_of(1), std::nullopt);
  int served = 0;
  mailbox.post_to(1, 0, [&] { ++served; });
  order_of(mailbox, "");
  EXPECT_EQ(served, 1);
}

TEST(Mailbox, WhatATaskThrowsEndsThatTaskAlone) {
  Mailbox mailbox;
  std::string order;
  mailbox.post([] { throw std::bad_alloc(); });
  mailbox.post([] { throw 7; });
  mailbox.post_to(1, 0, [] { throw std::bad_alloc(); });
  mailbox.post_to(1, 0, [&order] { order += "on"; });
  EXPECT_EQ(order_of(mailbox, order), "on");
}

}  // namespace
}  // namespace rwkv::bridge
