// The beginning of a file that is being downloaded, kept between runs.
#pragma once

#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <functional>
#include <span>
#include <string>

#include "fetch/file_version.h"
#include "fetch/sha256.h"

namespace rwkv::fetch {

/// `PATH.part`, and beside it `PATH.part.etag` with the version of the file that it is a part of. Methods throw
/// Error(kIo), naming the path.
class PartFile {
 public:
  /// Opens or creates it. Throws Error(kBusy) while it is open elsewhere, in this process or another, and as
  /// target_to_write() does.
  explicit PartFile(const std::string& path);
  PartFile(const PartFile&) = delete;
  PartFile& operator=(const PartFile&) = delete;
  ~PartFile();

  std::uint64_t size() const noexcept { return size_; }
  /// Of the bytes that are there.
  const FileVersion& version() const noexcept { return version_; }
  void set_version(const FileVersion& version);

  /// Reads what is there already into the digest. Does so once; `keep_on` is asked between pieces.
  void hash_existing(const std::function<void()>& keep_on);
  void append(std::span<const std::byte> bytes);
  void clear();
  /// Of all bytes; only once, before finish().
  std::string sha256() { return sha256_.finish(); }

  /// The first bytes, as many as there are up to `most`.
  std::string beginning(std::size_t most);
  const std::filesystem::path& path() const noexcept { return part_; }
  /// Makes sure that the bytes are on the disk and gives the file its name.
  void finish();
  /// Removes it.
  void discard();

  std::uint64_t free_disk_bytes() const;

 private:
  std::filesystem::path target_;
  std::filesystem::path part_;
  std::filesystem::path version_path_;
  std::FILE* file_ = nullptr;
  std::uint64_t size_ = 0;
  FileVersion version_;
  Sha256 sha256_;
  bool hashed_ = false;
};

}  // namespace rwkv::fetch
