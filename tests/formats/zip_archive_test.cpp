// Archives assembled by hand, so that each field can lie.
#include "formats/zip_archive.h"

#include <gtest/gtest.h>

#include <functional>
#include <optional>

#include "base/crc32.h"
#include "base/error.h"
#include "formats/weight_values.h"
#include "support/gguf_writer.h"
#include "support/hostile.h"

namespace rwkv::test {
namespace {

struct Entry {
  std::string name;
  std::string data;
  std::uint32_t crc = 0;
  std::uint16_t flags = 0;
  std::uint16_t method = 0;
  bool zip64 = false;  // sizes and offset in the extra field
  std::optional<std::string> local_name;
  std::optional<std::uint32_t> size;
  std::optional<std::uint32_t> offset;
};

struct Archive {
  std::vector<Entry> entries;
  bool zip64 = false;
  std::string comment;
  std::string gap;                             // between the directory and its records
  std::optional<std::uint16_t> claimed;        // number of entries
  std::optional<std::uint64_t> record_offset;  // in the ZIP64 locator

  std::string bytes() const {
    std::string out;
    std::string directory;
    for (const Entry& entry : entries) {
      const auto at = entry.offset.value_or(static_cast<std::uint32_t>(out.size()));
      const auto size = entry.size.value_or(static_cast<std::uint32_t>(entry.data.size()));
      const std::string local_name = entry.local_name.value_or(entry.name);
      const auto common = [&](std::uint32_t shown) {
        return raw(entry.flags) + raw(entry.method) + raw(0u) + raw(entry.crc) + raw(shown) + raw(shown);
      };
      out += "PK\3\4" + raw<std::uint16_t>(20) + common(size) + raw(static_cast<std::uint16_t>(local_name.size())) +
             raw<std::uint16_t>(0) + local_name + entry.data;
      std::string extra;
      if (entry.zip64) {
        extra = raw<std::uint16_t>(7) + raw<std::uint16_t>(2) + "xx" + raw<std::uint16_t>(1) + raw<std::uint16_t>(24) +
                raw<std::uint64_t>(size) + raw<std::uint64_t>(size) + raw<std::uint64_t>(at);
      }
      directory += "PK\1\2" + raw(0u) + common(entry.zip64 ? ~0u : size) +
                   raw(static_cast<std::uint16_t>(entry.name.size())) + raw(static_cast<std::uint16_t>(extra.size())) +
                   raw<std::uint16_t>(3) + std::string(8, '\0') + raw(entry.zip64 ? ~0u : at) + entry.name + extra +
                   "abc";
    }
    const std::uint64_t start = out.size();
    const std::uint64_t count = claimed.value_or(static_cast<std::uint16_t>(entries.size()));
    out += directory + gap;
    if (zip64) {
      const std::uint64_t record = out.size();
      out += "PK\6\6" + raw<std::uint64_t>(44) + raw(0u) + raw(0u) + raw(0u) + raw(count) + raw(count) +
             raw<std::uint64_t>(directory.size()) + raw(start);
      out += "PK\6\7" + raw(0u) + raw(record_offset.value_or(record)) + raw(1u);
    }
    const auto short_count = static_cast<std::uint16_t>(zip64 ? 0xFFFF : count);
    out += "PK\5\6" + raw(0u) + raw(short_count) + raw(short_count) +
           raw(zip64 ? ~0u : static_cast<std::uint32_t>(directory.size())) +
           raw(zip64 ? ~0u : static_cast<std::uint32_t>(start)) + raw(static_cast<std::uint16_t>(comment.size())) +
           comment;
    return out;
  }
};

Archive two_files() {
  Archive archive;
  archive.entries.push_back({"a/one", "first", 0, 0, 0, false, {}, {}, {}});
  archive.entries.push_back({"a/two", "2", 0, 0, 0, false, {}, {}, {}});
  return archive;
}

void expect_refused(const std::function<void(Archive&)>& spoil, const std::string& reason,
                    ErrorCode code = ErrorCode::kBadFile) {
  Archive archive = two_files();
  spoil(archive);
  const std::string bytes = archive.bytes();
  try {
    parse_zip(bytes_of(bytes), "x.zip");
    ADD_FAILURE() << "read; expected: " << reason;
  } catch (const Error& error) {
    EXPECT_EQ(to_string(error.code()), to_string(code)) << error.what();
    EXPECT_NE(std::string(error.what()).find(reason), std::string::npos) << error.what();
  }
}

TEST(ZipArchive, FilesComeBackWithAndWithoutZip64) {
  for (const bool records : {false, true}) {
    for (const bool fields : {false, true}) {
      Archive archive = two_files();
      archive.zip64 = records;
      archive.comment = "a comment";
      for (Entry& entry : archive.entries) entry.zip64 = fields;
      const std::string bytes = archive.bytes();
      const auto files = parse_zip(bytes_of(bytes), "x.zip");
      ASSERT_EQ(files.size(), 2u);
      const auto data = files.at("a/one").data;
      EXPECT_EQ(std::string(reinterpret_cast<const char*>(data.data()), data.size()), "first");
      EXPECT_EQ(files.at("a/two").data.size(), 1u);
    }
  }
}

TEST(ZipArchive, FieldsThatLieAreRefused) {
  expect_refused([](Archive& a) { a.entries[1].name = "a/one"; }, "'a/one' occurs twice");
  expect_refused([](Archive& a) { a.entries[1].name = ""; }, "has no name");
  expect_refused([](Archive& a) { a.entries[1].local_name = "b/two"; }, "contradicts the directory");
  expect_refused([](Archive& a) { a.entries[1].offset = 0; }, "contradicts the directory");
  expect_refused([](Archive& a) { a.entries[1].offset = 1; }, "no file header here");
  expect_refused([](Archive& a) { a.entries[1].offset = 0x7FFFFFFF; }, "a file before the directory");
  expect_refused([](Archive& a) { a.entries[1].size = 2; }, "a file of the archive needs 2 bytes");
  expect_refused([](Archive& a) { a.entries[0].size = 6; }, "overlap");
  expect_refused([](Archive& a) { a.entries[1].method = 8; }, "compressed or encrypted", ErrorCode::kUnsupported);
  expect_refused([](Archive& a) { a.entries[1].flags = 1; }, "compressed or encrypted", ErrorCode::kUnsupported);
  expect_refused([](Archive& a) { a.claimed = 1; }, "longer than its entries");
  expect_refused([](Archive& a) { a.claimed = 3; }, "more than it can hold");
  expect_refused([](Archive& a) { a.claimed = 60'000; }, "more than it can hold");
  expect_refused([](Archive& a) { a.gap = "x"; }, "does not end where its record begins");
  for (const std::uint64_t offset : {std::uint64_t{0}, std::uint64_t{1} << 40, ~std::uint64_t{0}}) {
    expect_refused(
        [&](Archive& a) {
          a.zip64 = true;
          a.record_offset = offset;
        },
        "ZIP64 record");
  }
}

TEST(ZipArchive, CutOrWithAnyBitFlippedItIsRefusedOrRead) {
  Archive archive = two_files();
  archive.zip64 = true;
  archive.entries[0].zip64 = true;
  const std::string bytes = archive.bytes();
  std::uint32_t sum = 0;  // so that all is read
  const auto parse = [&sum](std::span<const std::byte> changed) {
    for (const auto& [name, entry] : parse_zip(changed, "x.zip")) sum += crc32(entry.data);
  };
  EXPECT_EQ(cut_everywhere(bytes, parse).read, 0);
  const Outcomes outcomes = flip_everywhere(bytes, 0, bytes.size(), parse);
  EXPECT_GT(outcomes.refused, 1000);
  EXPECT_GT(outcomes.read, 500);  // dates, attributes, versions, data
}

}  // namespace
}  // namespace rwkv::test
