// The tensors of a checkpoint file, whatever its format: views into the file, checked to lie within it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "formats/byte_reader.h"
#include "formats/packed_floats.h"

namespace rwkv {

enum class DataType { kBool, kU8, kI8, kF8E4M3, kF8E5M2, kI16, kU16, kF16, kBF16, kI32, kU32, kF32, kI64, kU64, kF64 };

/// As safetensors spells it, for example "BF16".
std::string_view to_string(DataType type) noexcept;
/// Of one element.
std::size_t data_type_bytes(DataType type) noexcept;

/// Little-endian elements somewhere in a file; they need not be aligned.
struct WeightTensor {
  std::string name;
  DataType type = DataType::kF32;
  std::vector<std::uint64_t> shape;    // the slowest dimension first, as torch and numpy write it; empty for a scalar
  std::vector<std::uint64_t> strides;  // in elements, one a dimension
  std::uint64_t elements = 0;
  std::span<const std::byte> data;  // from the first element on, to the end of the last one at least
  /// Set: the elements are the numbers of a packing, whose type is `type`.
  std::shared_ptr<const Packing> packing = {};

  /// For messages: "BF16 [64, 32]", "4 bit [64, 32]".
  std::string describe() const;
};

/// A part of the file, with tensors in it, of which the file states the CRC-32.
struct WeightStorage {
  std::string_view name;  // in the file, as the data
  std::span<const std::byte> data;
  std::uint32_t crc = 0;
};

/// The strides of a tensor without gaps.
std::vector<std::uint64_t> contiguous_strides(const std::vector<std::uint64_t>& shape);

inline constexpr std::size_t kMaxWeightTensors = 65536;
inline constexpr std::size_t kMaxWeightNameBytes = 1024;
inline constexpr std::size_t kMaxWeightDimensions = 8;

/// The number of elements; fails at the reader's place when it does not fit into 62 bits or there are too many
/// dimensions.
std::uint64_t count_elements(const ByteReader& reader, const std::string& name,
                             const std::vector<std::uint64_t>& shape);

/// The tensors of one file by their names.
class WeightFile {
 public:
  /// `name` stands for the file in messages.
  explicit WeightFile(std::string name) : name_(std::move(name)) {}

  /// Refuses, at the reader's place, empty and overlong names, a name that is there already, and too many tensors.
  void add(const ByteReader& reader, WeightTensor tensor);

  const std::string& name() const noexcept { return name_; }
  /// Sorted by name.
  const std::map<std::string, WeightTensor, std::less<>>& tensors() const noexcept { return tensors_; }
  const WeightTensor* find(std::string_view name) const noexcept;

  /// What readers state of the tensors' storages, which they do not read: who reads a tensor checks. Storages do not
  /// overlap.
  void set_storages(std::vector<WeightStorage> storages);
  /// In the order of their places in the file.
  const std::vector<WeightStorage>& storages() const noexcept { return storages_; }

 private:
  std::string name_;
  std::map<std::string, WeightTensor, std::less<>> tensors_;
  std::vector<WeightStorage> storages_;
};

}  // namespace rwkv
