#include "base/crc32.h"

#include <gtest/gtest.h>

#include <random>
#include <string>

namespace rwkv::test {
namespace {

std::uint32_t crc_of(const std::string& text, std::uint32_t before = 0) {
  return crc32(std::as_bytes(std::span(text)), before);
}

// The definition, bit by bit.
std::uint32_t divide(const std::string& text) {
  std::uint32_t rest = ~0u;
  for (const char c : text) {
    rest ^= static_cast<unsigned char>(c);
    for (int bit = 0; bit < 8; ++bit) rest = (rest >> 1) ^ ((rest & 1u) != 0 ? 0xEDB88320u : 0u);
  }
  return ~rest;
}

TEST(Crc32, CheckValuesAreTheStandardOnes) {
  EXPECT_EQ(crc_of(""), 0u);
  EXPECT_EQ(crc_of("123456789"), 0xCBF43926u);
  EXPECT_EQ(crc_of("The quick brown fox jumps over the lazy dog"), 0x414FA339u);
}

TEST(Crc32, AnyLengthCutAnywhereIsTheRemainder) {
  std::mt19937 random(1);
  std::string text;
  for (int length = 0; length < 100; ++length, text += static_cast<char>(random())) {
    const std::uint32_t expected = divide(text);
    for (std::size_t cut = 0; cut <= text.size(); ++cut) {
      EXPECT_EQ(crc_of(text.substr(cut), crc_of(text.substr(0, cut))), expected) << length << " cut at " << cut;
    }
  }
}

}  // namespace
}  // namespace rwkv::test
