// Numbers of a few bits each that share scales by groups: how engines keep quantised weights in their own files.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

namespace rwkv {

enum class DataType;

/// How the numbers of a tensor are packed: as a stream of little-endian bit fields, the first number in the lowest
/// bits. The numbers of a group are consecutive; all groups have the same size.
struct Packing {
  enum class Kind {
    kAffine,    // number * scale + offset (MLX)
    kMinMax,    // min + number / 255 * (max - min); `scales` has pairs of a least and a largest value (web-rwkv)
    kCodeBook,  // book[number] * scale (web-rwkv: NF4, SF4)
  };

  Kind kind = Kind::kAffine;
  unsigned bits = 8;        // of a number, 1 to 8
  std::uint64_t group = 1;  // numbers
  DataType type;            // of scales and offsets; one that is_float()
  std::span<const std::byte> scales;
  std::span<const std::byte> offsets = {};  // with kAffine
  std::array<float, 16> book = {};          // with kCodeBook
};

/// `out.size()` values from number `first` on. All of them and the scales of their groups are there.
void decode_packed(const Packing& packing, std::span<const std::byte> numbers, std::uint64_t first,
                   std::span<float> out) noexcept;

}  // namespace rwkv
