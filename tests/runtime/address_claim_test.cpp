// A model whose addresses a process does not have is refused; one that might fit waits for those being loaded.
#include "runtime/address_claim.h"

#include <gtest/gtest.h>

#include <atomic>
#include <optional>
#include <thread>

#include "support/refusal.h"

namespace rwkv {
namespace {

using test::expect_words;

constexpr std::uint64_t kMegabyte = std::uint64_t{1} << 20;

// 100 MB mapped, 30 MB of memory, 70 MB reserved.
std::string refusal(std::uint64_t addresses, std::uint64_t data) {
  Machine machine;
  machine.address_bytes = addresses;
  machine.data_bytes = data;
  return test::refusal(ErrorCode::kOutOfMemory, [&] {
    const AddressClaim claim(
        "a.gguf", {100 * kMegabyte, 30 * kMegabyte, 70 * kMegabyte}, [&] { return machine; }, CancelToken());
  });
}

TEST(AddressClaim, WhatTheLimitsOfTheProcessDoNotLeaveIsRefusedWithFigures) {
  EXPECT_EQ(refusal(0, 0), "") << "no bounds";
  EXPECT_EQ(refusal(200 * kMegabyte, 0), "");
  expect_words(refusal(200 * kMegabyte - 1, 0),
               {"a.gguf", "200 MB of address space", "memory 130 MB", "leave: 200 MB", "ulimit -v"});
  EXPECT_EQ(refusal(0, 100 * kMegabyte), "") << "mapped files are no data";
  expect_words(refusal(0, 99 * kMegabyte), {"100 MB of data space", "leave: 99 MB", "ulimit -d"});
}

// Refused it would be for nothing: what was promised to the first is more than that takes, or it ends without.
TEST(AddressClaim, WhatIsPromisedToALoadIsWaitedFor) {
  std::optional<AddressClaim> first;
  first.emplace("b.gguf", MemoryNeed{300 * kMegabyte, 0, 0}, [] { return Machine(); }, CancelToken());
  EXPECT_EQ(refusal(1000 * kMegabyte, 0), "");
  expect_words(refusal(199 * kMegabyte, 0), {"leave: 199 MB"});  // whoever else loads
  std::atomic<int> looked{0};
  std::atomic<bool> there{false};
  std::thread second([&] {
    Machine machine;
    machine.address_bytes = 499 * kMegabyte;
    const auto look = [&] {
      ++looked;
      return machine;
    };
    const AddressClaim claim("a.gguf", {200 * kMegabyte, 0, 0}, look, CancelToken());
    there = true;
  });
  while (looked < 1) std::this_thread::yield();
  EXPECT_FALSE(there);
  first.reset();
  second.join();
  EXPECT_TRUE(there);
}

TEST(AddressClaim, WaitingCanBeCancelled) {
  const AddressClaim first("b.gguf", {300 * kMegabyte, 0, 0}, [] { return Machine(); }, CancelToken());
  const CancelToken cancel;
  const auto look = [&] {
    cancel.cancel();
    Machine machine;
    machine.address_bytes = 499 * kMegabyte;
    return machine;
  };
  try {
    const AddressClaim second("a.gguf", {200 * kMegabyte, 0, 0}, look, cancel);
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kCancelled);
  }
}

}  // namespace
}  // namespace rwkv
