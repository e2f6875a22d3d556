// ZIP and ZIP64 archives whose files are stored without compression: read without trusting a byte of them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <string_view>

namespace rwkv {

struct ZipEntry {
  std::span<const std::byte> data;  // in the archive
  std::uint32_t crc = 0;            // CRC-32 of the data as the archive states it, unchecked
};

/// The files of an archive by their names. Views point into `bytes`, which must outlive them. Throws Error(kBadFile,
/// kUnsupported) with file, offset and reason: for directories that do not fit the archive, names that occur twice,
/// headers that contradict each other, files that overlap, compression and encryption. Memory used is at most twice the
/// archive's directory.
std::map<std::string_view, ZipEntry> parse_zip(std::span<const std::byte> bytes, const std::string& name);

}  // namespace rwkv
