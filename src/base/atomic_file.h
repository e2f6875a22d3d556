// Files that are there whole or not at all. Whatever writes a file to its name goes through here.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

namespace rwkv {

/// The file that writing to `path` (UTF-8) means: where a symbolic link leads, even if nothing is there yet. Throws
/// Error(kInvalidArgument) for a path that can be no file's name, and Error(kIo) where there is something else than an
/// ordinary file (a folder, device, pipe, socket, links in a circle) or no folder to put it in.
std::filesystem::path target_to_write(const std::string& path);

/// Gives a file that is complete, and on the disk, the name `target`, which comes from target_to_write() and is looked
/// at again. Mode and owner of the file it replaces stay. Throws Error(kIo).
void take_place(const std::filesystem::path& complete, const std::filesystem::path& target);

/// A temporary file beside `path` (UTF-8) that takes its place when it is complete. Whatever happens, `path` is the old
/// file or the whole new one; without a commit() the temporary one disappears with the object.
class AtomicFile {
 public:
  /// Throws as target_to_write() does, and Error(kIo) naming the path as all members do.
  explicit AtomicFile(const std::string& path);
  AtomicFile(const AtomicFile&) = delete;
  AtomicFile& operator=(const AtomicFile&) = delete;
  ~AtomicFile();

  /// Several threads may write to different places at once; places between that nobody writes are zero.
  void write_at(std::uint64_t offset, std::span<const std::byte> bytes);
  /// Where the bytes are until commit(), UTF-8.
  std::string temporary_path() const;
  /// Makes sure that everything is on the disk and renames the file. Once.
  void commit();

 private:
  std::string path_;
  std::filesystem::path target_;
  std::filesystem::path temporary_;
  std::FILE* file_ = nullptr;
};

/// Writes `parts` one after another as an AtomicFile.
void write_file_atomically(const std::string& path, const std::vector<std::span<const std::byte>>& parts);

}  // namespace rwkv
