// A model whose addresses a process does not have is refused, also while others are being loaded.
#include "runtime/address_claim.h"

#include <gtest/gtest.h>

#include "base/error.h"

namespace rwkv {
namespace {

constexpr std::uint64_t kMegabyte = std::uint64_t{1} << 20;

// 100 MB mapped, 30 MB of memory, 70 MB reserved.
std::string refusal(std::uint64_t addresses, std::uint64_t data) {
  Machine machine;
  machine.address_bytes = addresses;
  machine.data_bytes = data;
  try {
    const AddressClaim claim("a.gguf", {100 * kMegabyte, 30 * kMegabyte, 70 * kMegabyte}, [&] { return machine; });
    return "";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kOutOfMemory);
    return error.what();
  }
}

void expect_words(const std::string& text, const std::vector<std::string>& words) {
  for (const std::string& word : words) EXPECT_NE(text.find(word), std::string::npos) << word << " in: " << text;
}

TEST(AddressClaim, WhatTheLimitsOfTheProcessDoNotLeaveIsRefusedWithFigures) {
  EXPECT_EQ(refusal(0, 0), "") << "no bounds";
  EXPECT_EQ(refusal(200 * kMegabyte, 0), "");
  expect_words(refusal(200 * kMegabyte - 1, 0),
               {"a.gguf", "200 MB of address space", "memory 130 MB", "leave: 200 MB", "ulimit -v"});
  EXPECT_EQ(refusal(0, 100 * kMegabyte), "") << "mapped files are no data";
  expect_words(refusal(0, 99 * kMegabyte), {"100 MB of data space", "leave: 99 MB", "ulimit -d"});
}

TEST(AddressClaim, WhatIsPromisedToALoadIsNotPromisedToAnother) {
  {
    const AddressClaim first("b.gguf", {300 * kMegabyte, 0, 0}, [] { return Machine(); });
    EXPECT_EQ(refusal(1000 * kMegabyte, 0), "");
    expect_words(refusal(499 * kMegabyte, 0), {"being loaded"});
  }
  EXPECT_EQ(refusal(499 * kMegabyte, 0), "");
}

}  // namespace
}  // namespace rwkv
