// What a model is loaded from: opened once, asked by all who look at it.
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/mapped_file.h"
#include "formats/gguf.h"
#include "formats/rmpack.h"
#include "formats/rwkv_passport.h"

namespace rwkv {

/// A file or a folder. What is asked of it is found out once and kept, so that the registry, the estimate and the load
/// share one mapping, one parsed header and one check. Not longer kept than a load takes: it holds addresses, and
/// whoever replaces the file means the next load. Used by one thread at a time.
class ModelSource {
 public:
  /// Maps a file; of a folder nothing is read. Throws what MappedFile throws, but takes a folder.
  explicit ModelSource(const std::string& path);
  ModelSource(const ModelSource&) = delete;
  ModelSource& operator=(const ModelSource&) = delete;

  /// UTF-8, as it was given.
  const std::string& path() const noexcept { return path_; }
  bool is_folder() const noexcept { return !file_; }

  /// The whole file. Throws Error(kIo) for a folder.
  std::span<const std::byte> bytes() const;
  /// The mapping of a file, null for a folder; a model that uses its weights where they lie keeps it.
  const std::shared_ptr<const MappedFile>& mapping() const noexcept { return file_; }
  /// Names of what lies in the folder, sorted; none for a file. Throws Error(kIo).
  const std::vector<std::string>& entries() const;

  /// Whether the file begins as GGUF does.
  bool is_gguf() const noexcept;
  /// The parsed header. Throws like bytes() and GgufFile::parse().
  const GgufFile& gguf() const;
  /// Proof that it is a sound RWKV model, checked once. Throws like gguf() and check_rwkv_model().
  const RwkvPassport& passport() const;

  /// Whether the file begins as a container of named blobs does.
  bool is_rmpack() const noexcept;
  /// The parsed container. Throws like bytes() and parse_rmpack().
  const RmpackFile& rmpack() const;

 private:
  bool begins_with(std::string_view magic) const noexcept;

  std::string path_;
  std::shared_ptr<const MappedFile> file_;  // null: a folder
  mutable std::optional<std::vector<std::string>> entries_;
  mutable std::optional<GgufFile> gguf_;
  mutable std::optional<RwkvPassport> passport_;
  mutable std::optional<RmpackFile> rmpack_;
};

}  // namespace rwkv
