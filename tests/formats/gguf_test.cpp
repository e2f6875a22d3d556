// GGUF files written by the tests' own writer: what is right comes back as it was, what is not is refused by name.
#include "formats/gguf.h"

#include <gtest/gtest.h>

#include <cstring>
#include <limits>

#include "base/error.h"
#include "support/gguf_writer.h"

namespace rwkv::test {
namespace {

GgufFile parse(const std::string& bytes) {
  static const std::string name = "file.gguf";
  return GgufFile::parse(std::as_bytes(std::span(bytes)), name);
}

void expect_refused(const GgufWriter& file, const std::string& reason, ErrorCode code = ErrorCode::kBadFile) {
  try {
    parse(file.bytes());
    ADD_FAILURE() << "parsed; expected: " << reason;
  } catch (const Error& error) {
    EXPECT_EQ(to_string(error.code()), to_string(code)) << error.what();
    EXPECT_NE(std::string(error.what()).find(reason), std::string::npos) << error.what();
    EXPECT_NE(std::string(error.what()).find("'file.gguf'"), std::string::npos) << error.what();
  }
}

constexpr std::uint32_t kF32Id = 0;
constexpr std::uint32_t kQ8Id = 8;

std::string data(std::size_t bytes, char first = 'a') {
  std::string text;
  for (std::size_t i = 0; i < bytes; ++i) text += static_cast<char>(first + static_cast<char>(i % 20));
  return text;
}

// A file with something of everything.
GgufWriter everything() {
  GgufWriter file;
  file.number<std::uint8_t>("u8", GgufWriter::kU8, 200).number<std::int8_t>("i8", GgufWriter::kI8, -100);
  file.number<std::uint16_t>("u16", GgufWriter::kU16, 60'000).number<std::int16_t>("i16", GgufWriter::kI16, -30'000);
  file.u32("u32", 4'000'000'000u).number<std::int32_t>("i32", GgufWriter::kI32, -2'000'000'000);
  file.number<std::uint64_t>("u64", GgufWriter::kU64, std::numeric_limits<std::uint64_t>::max());
  file.number<std::int64_t>("i64", GgufWriter::kI64, std::numeric_limits<std::int64_t>::min());
  file.f32("f32", 1.5f).number<double>("f64", GgufWriter::kF64, 1e300);
  file.number<std::uint8_t>("yes", GgufWriter::kBool, 1).number<std::uint8_t>("no", GgufWriter::kBool, 0);
  file.text("text", std::string("a\0b\xFF", 4)).text("empty", "");
  file.texts("texts", {"x", "", "yz"}).texts("no texts", {});
  file.list<std::int32_t>("numbers", GgufWriter::kI32, {1, -2, 3});
  file.list<double>("doubles", GgufWriter::kF64, {0.5});
  file.tensor("one", {3}, kF32Id, data(12)).tensor("two", {32, 2, 1, 1}, kQ8Id, data(68, 'b'));
  return file;
}

TEST(Gguf, EveryTypeOfValueComesBack) {
  for (const std::uint32_t version : {2u, 3u}) {
    GgufWriter writer = everything();
    writer.version = version;
    const std::string bytes = writer.bytes();
    const GgufFile file = parse(bytes);
    const auto value = [&](const char* key) { return file.find(key)->value; };
    EXPECT_EQ(file.version(), version);
    EXPECT_EQ(file.file_bytes(), bytes.size());
    EXPECT_EQ(file.alignment(), 32u);
    EXPECT_EQ(file.metadata().size(), 18u);
    EXPECT_EQ(std::get<std::uint64_t>(value("u8")), 200u);
    EXPECT_EQ(std::get<std::uint64_t>(value("u16")), 60'000u);
    EXPECT_EQ(std::get<std::uint64_t>(value("u32")), 4'000'000'000u);
    EXPECT_EQ(std::get<std::uint64_t>(value("u64")), std::numeric_limits<std::uint64_t>::max());
    EXPECT_EQ(std::get<std::int64_t>(value("i8")), -100);
    EXPECT_EQ(std::get<std::int64_t>(value("i16")), -30'000);
    EXPECT_EQ(std::get<std::int64_t>(value("i32")), -2'000'000'000);
    EXPECT_EQ(std::get<std::int64_t>(value("i64")), std::numeric_limits<std::int64_t>::min());
    EXPECT_EQ(std::get<double>(value("f32")), 1.5);
    EXPECT_EQ(std::get<double>(value("f64")), 1e300);
    EXPECT_TRUE(std::get<bool>(value("yes")));
    EXPECT_FALSE(std::get<bool>(value("no")));
    EXPECT_EQ(std::get<std::string_view>(value("text")), std::string_view("a\0b\xFF", 4));
    EXPECT_EQ(std::get<std::string_view>(value("empty")), "");
    EXPECT_EQ(file.strings("texts"), (std::vector<std::string_view>{"x", "", "yz"}));
    EXPECT_EQ(file.strings("no texts"), std::vector<std::string_view>{});
    EXPECT_EQ(file.integers("numbers"), (std::vector<std::int32_t>{1, -2, 3}));
    const auto doubles = std::get<GgufArray>(value("doubles"));
    EXPECT_EQ(doubles.type, GgufValueType::kFloat64);
    EXPECT_EQ(doubles.count, 1u);
    EXPECT_EQ(to_string(file.find("doubles")->type), "list");
    EXPECT_EQ(file.find("absent"), nullptr);
    EXPECT_EQ(file.strings("numbers"), std::nullopt);
    EXPECT_EQ(file.strings("absent"), std::nullopt);
    EXPECT_EQ(file.integers("texts"), std::nullopt);
    EXPECT_EQ(file.integers("u32"), std::nullopt);
  }
}

TEST(Gguf, TensorsComeBackWithTheirData) {
  for (const std::uint32_t alignment : {8u, 32u, 4096u}) {
    GgufWriter writer = everything();
    writer.alignment = alignment;
    writer.u32("general.alignment", alignment);
    const std::string bytes = writer.bytes();
    const GgufFile file = parse(bytes);
    EXPECT_EQ(file.alignment(), alignment);
    ASSERT_EQ(file.tensors().size(), 2u);
    EXPECT_EQ(file.find_tensor("three"), nullptr);
    const GgufTensor* one = file.find_tensor("one");
    const GgufTensor* two = file.find_tensor("two");
    ASSERT_TRUE(one != nullptr && two != nullptr);
    EXPECT_EQ(one->describe(), "F32 [3]");
    EXPECT_EQ(two->describe(), "Q8_0 [32, 2, 1, 1]");
    EXPECT_EQ(one->elements, 3u);
    EXPECT_EQ(two->elements, 64u);
    EXPECT_EQ(std::string(reinterpret_cast<const char*>(one->data.data()), one->data.size()), data(12));
    EXPECT_EQ(std::string(reinterpret_cast<const char*>(two->data.data()), two->data.size()), data(68, 'b'));
  }
}

TEST(Gguf, FileCutAtAnyByteIsRefused) {
  // The padding after the last tensor may be missing.
  const std::string bytes = everything().bytes();
  const std::size_t needed = bytes.size() - (96 - 68);
  for (std::size_t size = 0; size < bytes.size(); ++size) {
    // A copy of its own, so that a read beyond its end is seen by the sanitizers.
    const std::vector<char> cut(bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(size));
    const auto call = [&] { GgufFile::parse(std::as_bytes(std::span(cut)), "file.gguf"); };
    if (size < needed) {
      EXPECT_THROW(call(), Error) << size;
    } else {
      EXPECT_NO_THROW(call()) << size;
    }
  }
}

TEST(Gguf, FileWithAnyBitFlippedIsRefusedOrParsed) {
  const std::string bytes = everything().bytes();
  int parsed = 0;
  int refused = 0;
  for (std::size_t bit = 0; bit < bytes.size() * 8; ++bit) {
    std::string flipped = bytes;
    flipped[bit / 8] = static_cast<char>(flipped[bit / 8] ^ (1 << bit % 8));
    try {
      const GgufFile file = parse(flipped);
      for (const auto& [key, value] : file.metadata()) {
        file.strings(key);
        file.integers(key);
      }
      ++parsed;
    } catch (const Error& error) {
      EXPECT_TRUE(error.code() == ErrorCode::kBadFile || error.code() == ErrorCode::kUnsupported) << error.what();
      ++refused;
    }
  }
  EXPECT_GT(parsed, 1000);
  EXPECT_GT(refused, 1000);
}

TEST(Gguf, OtherFilesAndVersionsAreRefused) {
  GgufWriter file = everything();
  file.magic = "GGML";
  expect_refused(file, "does not begin with 'GGUF'");
  file.magic = "GGUF";
  for (const std::uint32_t version : {0u, 1u, 4u}) {
    file.version = version;
    expect_refused(file, version == 0 ? "big-endian" : "version " + std::to_string(version), ErrorCode::kUnsupported);
  }
  file.version = 3u << 24;
  expect_refused(file, "big-endian", ErrorCode::kUnsupported);
}

TEST(Gguf, HugeCountsAreRefusedBeforeMemoryIsTaken) {
  for (const std::uint64_t count : {std::uint64_t{70'000}, std::uint64_t{1} << 40, ~std::uint64_t{0}}) {
    GgufWriter file = everything();
    file.claimed_tensors = count;
    expect_refused(file, "tensors are more than any model has");
    file = everything();
    file.claimed_keys = count;
    expect_refused(file, "keys are more than any model has");
    const auto list = [&](std::uint32_t type) { return raw(type) + raw(count) + std::string(16, '\0'); };
    file = everything();
    expect_refused(file.value_of("list", GgufWriter::kArray, list(GgufWriter::kU32)),
                   "more than the file can hold: it is probably cut off, download it again");
    expect_refused(file.value_of("list", GgufWriter::kArray, list(GgufWriter::kString)),
                   "more than the file can hold: it is probably cut off, download it again");
    file = everything();
    file.value_of("long", GgufWriter::kString, raw(count) + "x");
    expect_refused(file, count < (64u << 20) ? "needs" : "longer than the limit");
  }
  GgufWriter file;
  file.claimed_tensors = 65'536;  // passes the limit, but the file ends
  expect_refused(file, "are left");
  file.claimed_tensors = 0;
  file.claimed_keys = 4096;
  expect_refused(file, "are left");
}

TEST(Gguf, BadKeysAndValuesAreRefused) {
  GgufWriter file = everything();
  file.keys.push_back(file.keys.front());
  expect_refused(file, "the key 'u8' occurs twice");
  expect_refused(everything().u32("", 1), "a key is empty");
  expect_refused(everything().u32(std::string(70'000, 'k'), 1), "longer than the limit");
  expect_refused(everything().value_of("k", 13, ""), "unknown value type 13");
  expect_refused(everything().value_of("k", GgufWriter::kBool, "\x02"), "neither true nor false but 2");
  expect_refused(
      everything().value_of("k", GgufWriter::kArray, raw<std::uint32_t>(GgufWriter::kArray) + raw<std::uint64_t>(0)),
      "a list of lists");
  expect_refused(everything().value_of("k", GgufWriter::kArray, raw<std::uint32_t>(99) + raw<std::uint64_t>(0)),
                 "unknown value type 99");
}

TEST(Gguf, BadAlignmentIsRefused) {
  for (const std::uint32_t alignment : {0u, 1u, 4u, 24u, 33u, 1u << 21, 1u << 31}) {
    expect_refused(everything().u32("general.alignment", alignment),
                   "'general.alignment' is " + std::to_string(alignment));
  }
  expect_refused(everything().number<std::uint64_t>("general.alignment", GgufWriter::kU64, 32), "not a u32");
  expect_refused(everything().text("general.alignment", "32"), "not a u32");
}

TEST(Gguf, BadTensorsAreRefused) {
  const auto refused = [](std::vector<std::uint64_t> dimensions, std::uint32_t type, const std::string& reason) {
    expect_refused(everything().tensor("bad", std::move(dimensions), type, data(96)), reason);
  };
  refused({}, kF32Id, "'bad' has 0 dimensions");
  refused({1, 1, 1, 1, 1}, kF32Id, "'bad' has 5 dimensions");
  refused({0}, kF32Id, "the impossible dimension 0");
  refused({8, 0}, kF32Id, "the impossible dimension 0");
  refused({~std::uint64_t{0}}, kF32Id, "the impossible dimension");
  refused({std::uint64_t{1} << 32, std::uint64_t{1} << 32}, kF32Id, "the impossible dimension");
  refused({std::uint64_t{1} << 16, std::uint64_t{1} << 16, std::uint64_t{1} << 16, std::uint64_t{1} << 16}, kF32Id,
          "the impossible dimension");
  refused({std::uint64_t{1} << 62}, kF32Id, "too large");
  refused({std::uint64_t{1} << 40}, kF32Id, "beyond the end of the file");
  refused({31}, kQ8Id, "rows of 31 values, which Q8_0 cannot pack");
  for (const std::uint32_t type : {4u, 5u, 9u, 24u, 28u, 36u, 40u, ~0u}) {
    refused({32}, type, "has type " + std::to_string(type) + ", which is not a weight type");
  }
  expect_refused(everything().tensor("one", {3}, kF32Id, data(12)), "the tensor 'one' occurs twice");
  expect_refused(everything().tensor(std::string(64, 'n'), {3}, kF32Id, data(12)), "longer than the limit of 63");
  EXPECT_NO_THROW(parse(everything().tensor(std::string(63, 'n'), {3}, kF32Id, data(12)).bytes()));
}

TEST(Gguf, TensorDataInAnyOtherPlaceIsRefused) {
  for (const std::uint64_t offset :
       {std::uint64_t{0}, std::uint64_t{1}, std::uint64_t{12}, std::uint64_t{31}, std::uint64_t{64}, ~std::uint64_t{0},
        ~std::uint64_t{0} - 31, std::uint64_t{1} << 63}) {  // overlap, misalignment, a gap, overflow
    GgufWriter file = everything();
    file.find("two").offset = offset;
    expect_refused(file, "'two' is at offset " + std::to_string(offset) + " where 32 follows");
  }
  GgufWriter file = everything();
  file.find("one").offset = 32;
  expect_refused(file, "'one' is at offset 32 where 0 follows");
}

TEST(GgmlType, SizesAreThoseOfTheFormat) {
  // From the published block layouts: scales of two bytes and packed quants.
  EXPECT_EQ(ggml_type_traits(2)->bytes, 2u + 32 / 2);
  EXPECT_EQ(ggml_type_traits(3)->bytes, 4u + 32 / 2);
  EXPECT_EQ(ggml_type_traits(6)->bytes, 2u + 4 + 32 / 2);
  EXPECT_EQ(ggml_type_traits(7)->bytes, 4u + 4 + 32 / 2);
  EXPECT_EQ(ggml_type_traits(8)->bytes, 2u + 32);
  EXPECT_EQ(ggml_type_traits(12)->bytes, 4u + 12 + 256 / 2);
  EXPECT_EQ(ggml_type_traits(14)->bytes, 256u / 2 + 256 / 4 + 16 + 2);
  EXPECT_EQ(ggml_type_traits(9), nullptr);
  EXPECT_EQ(ggml_type_traits(1000), nullptr);
}

}  // namespace
}  // namespace rwkv::test
