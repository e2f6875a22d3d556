// What a file is, by its content: for the message when it is not what is wanted.
#pragma once

#include <cstddef>
#include <span>
#include <string>

namespace rwkv {

enum class FileKind {
  kUnknown,
  kGguf,
  kOldGgml,
  kPyTorch,
  kSafetensors,
  kPrefab,  // of web-rwkv
  kOnnx,
  kMnn,
  kSavedState,
  kRmpack,
  kVocabulary,   // as text
  kIndex,        // of weights in several files
  kServerError,  // JSON
  kJson,         // any other
  kPage,         // HTML or XML
  kLfsPointer,
  kGzip,
  kZstd,
  kSevenZip,
  kUtf16,      // text, as PowerShell writes it
  kShortText,  // all of it is looked at
};

/// What these bytes, a file's beginning or all of it, look like.
FileKind file_kind(std::span<const std::byte> bytes);
/// As much of them as is looked at.
constexpr std::size_t kKindLooksAt = std::size_t{64} << 10;

enum class WantedFile { kModel, kEncoder, kCheckpoint, kVocabulary, kSavedState, kInitialState };

/// What the file turns out to be, with what to do, for example "is a Git LFS pointer, ..."; empty
/// where it may be what is wanted or nobody knows what it is.
std::string mistaken_file(WantedFile wanted, std::span<const std::byte> bytes);

/// "is part 1 of 2 of a model; ..." for names like 'model-00001-of-00002.safetensors'; else empty.
std::string mistaken_part(const std::string& path);

}  // namespace rwkv
