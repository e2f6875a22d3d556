// What a model is loaded from: a file or folder that is opened once and shared by everything that looks at it.
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

/// A file or a folder. It keeps each answer that it gives, so that the registry, the estimate and the load share one
/// mapping, one parsed header and one check. It lives no longer than a load: the mapping holds addresses, and a file
/// that is replaced later belongs to the next load. Used by one thread at a time.
class ModelSource {
 public:
  /// Maps a file; reads nothing of a folder. Throws what MappedFile throws, except that a folder is no error.
  explicit ModelSource(const std::string& path);
  ModelSource(const ModelSource&) = delete;
  ModelSource& operator=(const ModelSource&) = delete;

  /// The path as the caller gave it, UTF-8.
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
  /// What the check of the whole file has found, made once; a sound RWKV model has passed it. Throws like gguf() and
  /// check_rwkv_model().
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
