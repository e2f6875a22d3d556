// Structures and their fields: PKWARE's APPNOTE 6.3.10, sections 4.3 and 4.5.
#include "formats/zip_archive.h"

#include <algorithm>
#include <optional>
#include <vector>

#include "formats/byte_reader.h"

namespace rwkv {
namespace {

constexpr std::uint32_t kLocalSignature = 0x04034b50;
constexpr std::uint32_t kEntrySignature = 0x02014b50;
constexpr std::uint32_t kEndSignature = 0x06054b50;
constexpr std::uint32_t kEnd64Signature = 0x06064b50;
constexpr std::uint32_t kLocatorSignature = 0x07064b50;
constexpr std::size_t kEndBytes = 22;
constexpr std::size_t kEnd64Bytes = 56;
constexpr std::size_t kLocatorBytes = 20;
constexpr std::size_t kEntryBytes = 46;
constexpr std::size_t kMaxCommentBytes = 65535;
constexpr std::uint64_t kMaxEntries = 131072;
constexpr std::uint16_t kZip64Field = 1;
constexpr std::uint16_t kNone16 = 0xFFFF;  // "look in the ZIP64 record"
constexpr std::uint32_t kNone32 = 0xFFFFFFFF;
constexpr std::uint16_t kForbiddenFlags = 0x2061;  // encrypted (0, 6), patched (5), masked headers (13)

/// Where the directory is; its end is where the records that describe it begin.
struct Directory {
  std::uint64_t entries;
  std::uint64_t offset;
  std::uint64_t bytes;
};

ByteReader reader_at(std::span<const std::byte> bytes, const std::string& name, std::uint64_t offset,
                     std::string_view what) {
  ByteReader reader(bytes, name);
  reader.take(offset, what);
  return reader;
}

/// The last place where an end record with its comment fits the end of the file.
std::size_t find_end(std::span<const std::byte> bytes, const std::string& name) {
  const std::size_t first = bytes.size() - std::min(bytes.size(), kEndBytes + kMaxCommentBytes);
  for (std::size_t at = bytes.size(); at-- > first;) {
    if (bytes.size() - at < kEndBytes) continue;
    std::uint32_t signature = 0;
    std::uint16_t comment = 0;
    std::memcpy(&signature, &bytes[at], sizeof signature);
    std::memcpy(&comment, &bytes[at + 20], sizeof comment);
    if (signature == kEndSignature && at + kEndBytes + comment == bytes.size()) return at;
  }
  throw Error(ErrorCode::kBadFile, "'" + name + "' is not a ZIP archive, or its end is cut off", name);
}

Directory read_directory64(std::span<const std::byte> bytes, const std::string& name, std::size_t locator_at) {
  ByteReader locator = reader_at(bytes, name, locator_at + 4, "the ZIP64 locator");
  const auto disk = locator.read<std::uint32_t>("the ZIP64 locator");
  const auto record_at = locator.read<std::uint64_t>("the ZIP64 locator");
  const auto disks = locator.read<std::uint32_t>("the ZIP64 locator");
  if (disk != 0 || disks > 1) locator.fail("archives of several parts cannot be read");
  if (record_at > locator_at || locator_at - record_at < kEnd64Bytes) {
    locator.fail("the ZIP64 record is said to be at " + std::to_string(record_at) + ", where it does not fit");
  }
  ByteReader record = reader_at(bytes, name, record_at, "the ZIP64 record");
  if (record.read<std::uint32_t>("the ZIP64 record") != kEnd64Signature) record.fail("there is no ZIP64 record here");
  if (record.read<std::uint64_t>("the ZIP64 record") != locator_at - record_at - 12) {
    record.fail("the ZIP64 record does not end where its locator begins");
  }
  record.take(4, "the ZIP64 record");  // versions
  const auto this_disk = record.read<std::uint32_t>("the ZIP64 record");
  const auto start_disk = record.read<std::uint32_t>("the ZIP64 record");
  const auto here = record.read<std::uint64_t>("the ZIP64 record");
  const auto entries = record.read<std::uint64_t>("the ZIP64 record");
  const auto size = record.read<std::uint64_t>("the ZIP64 record");
  const auto offset = record.read<std::uint64_t>("the ZIP64 record");
  if (this_disk != 0 || start_disk != 0 || here != entries) record.fail("archives of several parts cannot be read");
  if (offset > record_at || size != record_at - offset) {
    record.fail("the directory of " + std::to_string(size) + " bytes at " + std::to_string(offset) +
                " does not end where its record begins");
  }
  return {entries, offset, size};
}

Directory read_directory(std::span<const std::byte> bytes, const std::string& name) {
  const std::size_t end_at = find_end(bytes, name);
  ByteReader end = reader_at(bytes, name, end_at + 4, "the end record");
  const auto disk = end.read<std::uint16_t>("the end record");
  const auto start_disk = end.read<std::uint16_t>("the end record");
  const auto here = end.read<std::uint16_t>("the end record");
  const auto entries = end.read<std::uint16_t>("the end record");
  const auto size = end.read<std::uint32_t>("the end record");
  const auto offset = end.read<std::uint32_t>("the end record");
  if ((disk != 0 && disk != kNone16) || (start_disk != 0 && start_disk != kNone16) || here != entries) {
    end.fail("archives of several parts cannot be read");
  }
  if (end_at >= kLocatorBytes) {
    ByteReader locator = reader_at(bytes, name, end_at - kLocatorBytes, "the ZIP64 locator");
    if (locator.read<std::uint32_t>("the ZIP64 locator") == kLocatorSignature) {
      const Directory directory = read_directory64(bytes, name, end_at - kLocatorBytes);
      if ((entries != kNone16 && entries != directory.entries) || (size != kNone32 && size != directory.bytes) ||
          (offset != kNone32 && offset != directory.offset)) {
        end.fail("the end record contradicts the ZIP64 record");
      }
      return directory;
    }
  }
  if (offset > end_at || size != end_at - offset) {
    end.fail("the directory of " + std::to_string(size) + " bytes at " + std::to_string(offset) +
             " does not end where its record begins");
  }
  return {entries, offset, size};
}

struct Place {
  std::uint64_t begin;  // of the local header
  std::uint64_t end;    // of the data
  std::string_view name;
};

struct Sizes {
  std::uint64_t data;
  std::uint64_t packed;
  std::uint64_t offset;
};

/// Replaces the sizes that are marked as too large for 32 bits by those of the ZIP64 field.
void read_zip64_sizes(ByteReader extra, Sizes& sizes) {
  const bool wanted = sizes.data == kNone32 || sizes.packed == kNone32 || sizes.offset == kNone32;
  while (wanted && extra.remaining() > 0) {
    const auto id = extra.read<std::uint16_t>("an extra field");
    const auto length = extra.read<std::uint16_t>("an extra field");
    if (id != kZip64Field) {
      extra.take(length, "an extra field");
      continue;
    }
    for (std::uint64_t* size : {&sizes.data, &sizes.packed, &sizes.offset}) {
      if (*size == kNone32) *size = extra.read<std::uint64_t>("a ZIP64 size");
    }
    return;
  }
}

/// Finds the data behind the local header and proves that the header says the same as the directory.
ZipEntry read_local(std::span<const std::byte> bytes, const std::string& archive, const Directory& directory,
                    const Sizes& sizes, std::string_view entry_name, Place& place) {
  ByteReader local = reader_at(bytes.first(static_cast<std::size_t>(directory.offset)), archive, sizes.offset,
                               "a file before the directory");
  if (local.read<std::uint32_t>("a file header") != kLocalSignature) local.fail("there is no file header here");
  local.take(2, "a file header");  // version
  const auto flags = local.read<std::uint16_t>("a file header");
  const auto method = local.read<std::uint16_t>("a file header");
  local.take(16, "a file header");  // time, and sizes that may be left to a record behind the data
  const auto name_bytes = local.read<std::uint16_t>("a file header");
  const auto extra_bytes = local.read<std::uint16_t>("a file header");
  if ((flags & kForbiddenFlags) != 0 || method != 0 || local.take_text(name_bytes, "a file name") != entry_name) {
    local.fail("the header of '" + std::string(entry_name) + "' contradicts the directory");
  }
  local.take(extra_bytes, "an extra field");
  ZipEntry entry;
  entry.data = local.take(sizes.data, "a file of the archive");
  place = {sizes.offset, local.offset(), entry_name};
  return entry;
}

}  // namespace

std::map<std::string_view, ZipEntry> parse_zip(std::span<const std::byte> bytes, const std::string& name) {
  const Directory directory = read_directory(bytes, name);
  ByteReader reader = reader_at(bytes.first(static_cast<std::size_t>(directory.offset + directory.bytes)), name,
                                directory.offset, "the directory");
  if (directory.entries > kMaxEntries || directory.entries > directory.bytes / kEntryBytes) {
    reader.fail("the directory claims " + std::to_string(directory.entries) + " files, more than it can hold");
  }
  std::map<std::string_view, ZipEntry> entries;
  std::vector<Place> places;
  for (std::uint64_t i = 0; i < directory.entries; ++i) {
    if (reader.read<std::uint32_t>("a directory entry") != kEntrySignature) reader.fail("this is no directory entry");
    reader.take(4, "a directory entry");  // versions
    const auto flags = reader.read<std::uint16_t>("a directory entry");
    const auto method = reader.read<std::uint16_t>("a directory entry");
    reader.take(4, "a directory entry");  // time
    const auto crc = reader.read<std::uint32_t>("a directory entry");
    Sizes sizes{};
    sizes.packed = reader.read<std::uint32_t>("a directory entry");
    sizes.data = reader.read<std::uint32_t>("a directory entry");
    const auto name_bytes = reader.read<std::uint16_t>("a directory entry");
    const auto extra_bytes = reader.read<std::uint16_t>("a directory entry");
    const auto comment_bytes = reader.read<std::uint16_t>("a directory entry");
    reader.take(8, "a directory entry");  // disk and attributes
    sizes.offset = reader.read<std::uint32_t>("a directory entry");
    const std::string_view entry_name = reader.take_text(name_bytes, "a file name");
    read_zip64_sizes(ByteReader(reader.take(extra_bytes, "an extra field"), name), sizes);
    reader.take(comment_bytes, "a comment");
    if (entry_name.empty()) reader.fail("a file of the archive has no name");
    const std::string shown(entry_name.substr(0, 256));
    if ((flags & kForbiddenFlags) != 0 || method != 0) {
      throw Error(ErrorCode::kUnsupported,
                  "'" + name + "': the file '" + shown + "' is compressed or encrypted; weights are stored as they are",
                  name);
    }
    if (sizes.packed != sizes.data) reader.fail("'" + shown + "' is stored with another size than its own");
    Place place{};
    ZipEntry entry = read_local(bytes, name, directory, sizes, entry_name, place);
    entry.crc = crc;
    if (!entries.emplace(entry_name, entry).second) reader.fail("the file '" + shown + "' occurs twice");
    places.push_back(place);
  }
  if (reader.remaining() != 0) reader.fail("the directory is longer than its entries");

  std::sort(places.begin(), places.end(), [](const Place& a, const Place& b) { return a.begin < b.begin; });
  for (std::size_t i = 1; i < places.size(); ++i) {
    if (places[i].begin < places[i - 1].end) {
      reader.fail("the files '" + std::string(places[i - 1].name.substr(0, 256)) + "' and '" +
                  std::string(places[i].name.substr(0, 256)) + "' overlap");
    }
  }
  return entries;
}

}  // namespace rwkv
