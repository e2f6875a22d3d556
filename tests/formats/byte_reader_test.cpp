// Reading forward and never past the end.
#include "formats/byte_reader.h"

#include <gtest/gtest.h>

#include <limits>
#include <string>

namespace rwkv {
namespace {

TEST(ByteReader, ReadsLittleEndianAndCounts) {
  const std::string name = "file";
  const std::string bytes("\x01\x02\x00\x00\x00\xFE\xFFtext", 11);
  ByteReader reader(std::as_bytes(std::span(bytes)), name);
  EXPECT_EQ(reader.read<std::uint8_t>("a"), 1);
  EXPECT_EQ(reader.read<std::uint32_t>("b"), 2u);
  EXPECT_EQ(reader.read<std::int16_t>("c"), -2);
  EXPECT_EQ(reader.offset(), 7u);
  EXPECT_EQ(reader.take_text(4, "d"), "text");
  EXPECT_EQ(reader.remaining(), 0u);
  EXPECT_EQ(reader.take(0, "nothing").size(), 0u);
}

TEST(ByteReader, RunningOutNamesFileOffsetAndWhatWasWanted) {
  const std::string name = "model.gguf";
  const std::string bytes = "12345";
  ByteReader reader(std::as_bytes(std::span(bytes)), name);
  reader.take(2, "a head");
  for (const std::uint64_t count : {std::uint64_t{4}, std::numeric_limits<std::uint64_t>::max()}) {
    try {
      reader.take(count, "the tail");
      FAIL() << "taken";
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::kBadFile);
      EXPECT_EQ(error.what(), "'model.gguf' at byte 2: the tail needs " + std::to_string(count) +
                                  " bytes, but only 3 are left: the file is cut off or damaged, get it again");
    }
  }
  EXPECT_THROW(reader.read<std::uint32_t>("a number"), Error);
  EXPECT_EQ(reader.take_text(3, "the tail"), "345");
}

}  // namespace
}  // namespace rwkv
