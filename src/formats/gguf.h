// GGUF, the file format of ggml models: read without trusting a byte of it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "formats/ggml_type.h"

namespace rwkv {

/// The types a metadata value can have, with their ids in the file.
enum class GgufValueType : std::uint32_t {
  kUint8 = 0,
  kInt8 = 1,
  kUint16 = 2,
  kInt16 = 3,
  kUint32 = 4,
  kInt32 = 5,
  kFloat32 = 6,
  kBool = 7,
  kString = 8,
  kArray = 9,
  kUint64 = 10,
  kInt64 = 11,
  kFloat64 = 12,
};

std::string_view to_string(GgufValueType type) noexcept;

/// A list as it stands in the file: elements of one type, none of them lists.
struct GgufArray {
  GgufValueType type;
  std::uint64_t count;
  std::span<const std::byte> bytes;  // numbers packed; strings each as u64 length and bytes
};

/// Numbers are widened; views point into the file.
struct GgufValue {
  GgufValueType type;
  std::variant<std::uint64_t, std::int64_t, double, bool, std::string_view, GgufArray> value;
};

struct GgufTensor {
  std::string_view name;
  GgmlType type;
  const GgmlTypeTraits* traits;
  std::vector<std::uint64_t> dimensions;  // 1 to 4, the contiguous one first
  std::uint64_t elements;
  std::span<const std::byte> data;

  /// For messages: "F16 [128, 512]".
  std::string describe() const;
};

/// A parsed header with views into the bytes, which must outlive it. Little-endian GGUF versions 2 and 3.
class GgufFile {
 public:
  /// Throws Error(kBadFile, kUnsupported) with file, offset and reason. Everything is checked before it is used: counts
  /// and sizes against the file, types, names, dimensions, alignment; tensor data lies inside the file, in order and
  /// without gaps or overlap. Memory used is bounded by a small multiple of the header's size.
  static GgufFile parse(std::span<const std::byte> bytes, const std::string& name);

  const std::string& name() const noexcept { return name_; }
  std::uint32_t version() const noexcept { return version_; }
  std::size_t file_bytes() const noexcept { return file_bytes_; }
  /// Tensor data begins at multiples of this many bytes, a power of two from 8.
  std::uint32_t alignment() const noexcept { return alignment_; }
  const std::vector<GgufTensor>& tensors() const noexcept { return tensors_; }
  const std::map<std::string_view, GgufValue>& metadata() const noexcept { return metadata_; }
  const GgufTensor* find_tensor(std::string_view name) const noexcept;
  const GgufValue* find(std::string_view key) const noexcept;

  /// The strings of a list value; nothing when the key is absent or not a list of strings.
  std::optional<std::vector<std::string_view>> strings(std::string_view key) const;
  /// The numbers of a list of 32-bit integers; nothing when the key is absent or of another type.
  std::optional<std::vector<std::int32_t>> integers(std::string_view key) const;

 private:
  GgufFile() = default;

  std::string name_;
  std::uint32_t version_ = 0;
  std::size_t file_bytes_ = 0;
  std::uint32_t alignment_ = 0;
  std::map<std::string_view, GgufValue> metadata_;
  std::vector<GgufTensor> tensors_;
  std::map<std::string_view, std::size_t> tensor_index_;
};

}  // namespace rwkv
