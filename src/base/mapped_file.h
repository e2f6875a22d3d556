// A file as memory, read-only.
#pragma once

#include <cstddef>
#include <span>
#include <string>

namespace rwkv {

/// Maps a whole file. Pages are read when touched and can be dropped by the system; nothing is locked. A file that is
/// cut meanwhile has zeros where it is gone (mapping_guard.h), see check_whole(); one that is written to shows that.
/// Replace files by renaming.
class MappedFile {
 public:
  /// `path` is UTF-8 on every system. Throws Error(kNotFound, kIo, kUnsupported, kInvalidArgument, kOutOfMemory) naming
  /// the path; a folder or a device is kIo, a file larger than the address space kUnsupported, a NUL in the path
  /// kInvalidArgument.
  explicit MappedFile(const std::string& path);
  MappedFile(MappedFile&& other) noexcept;
  MappedFile& operator=(MappedFile&& other) noexcept;
  ~MappedFile();

  const std::string& path() const noexcept { return path_; }
  std::span<const std::byte> bytes() const noexcept { return bytes_; }

  /// Takes the pages of `part` of bytes() out of this process's memory; touching them reads them again. For those who
  /// go through a large file once.
  void forget(std::span<const std::byte> part) const noexcept;

  /// Throws Error(kBadFile) when something of what was read was not there any more.
  void check_whole() const;

 private:
  void unmap() noexcept;

  std::string path_;
  std::span<const std::byte> bytes_;
  int guard_ = -1;
};

}  // namespace rwkv
