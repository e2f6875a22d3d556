// What a damaged file may do to a reader: be refused with a reason, or be read. Nothing else.
#pragma once

#include <gtest/gtest.h>

#include <cstddef>
#include <span>
#include <string>
#include <vector>

#include "base/error.h"

namespace rwkv::test {

struct Outcomes {
  int read = 0;
  int refused = 0;
};

/// Calls `parse` with the bytes in memory of exactly their size, so that a read beyond their end is seen by sanitizers.
template <class Parse>
void parse_exactly(const std::string& bytes, Parse&& parse, Outcomes& outcomes) {
  const std::vector<std::byte> copy(reinterpret_cast<const std::byte*>(bytes.data()),
                                    reinterpret_cast<const std::byte*>(bytes.data()) + bytes.size());
  try {
    parse(std::span<const std::byte>(copy));
    ++outcomes.read;
  } catch (const Error& error) {
    EXPECT_TRUE(error.code() == ErrorCode::kBadFile || error.code() == ErrorCode::kUnsupported) << error.what();
    EXPECT_GT(std::string(error.what()).size(), 10u);
    EXPECT_FALSE(error.file().empty()) << error.what();
    ++outcomes.refused;
  }
}

/// Cuts the file at every byte.
template <class Parse>
Outcomes cut_everywhere(const std::string& bytes, Parse&& parse) {
  Outcomes outcomes;
  for (std::size_t size = 0; size < bytes.size(); ++size) parse_exactly(bytes.substr(0, size), parse, outcomes);
  return outcomes;
}

/// Flips each bit of the bytes from `begin` to before `end`.
template <class Parse>
Outcomes flip_everywhere(const std::string& bytes, std::size_t begin, std::size_t end, Parse&& parse) {
  Outcomes outcomes;
  for (std::size_t bit = begin * 8; bit < end * 8; ++bit) {
    std::string flipped = bytes;
    flipped[bit / 8] = static_cast<char>(flipped[bit / 8] ^ (1 << bit % 8));
    parse_exactly(flipped, parse, outcomes);
  }
  return outcomes;
}

}  // namespace rwkv::test
