// The values of a checkpoint's tensors, read without the library's own conversions.
#pragma once

#include <cmath>
#include <cstring>
#include <string>
#include <vector>

#include "formats/weights.h"
#include "support/scratch.h"

namespace rwkv::test {

inline std::string fixture(const std::string& name) {
  return read_file(std::filesystem::path(RWKV_SOURCE_DIR) / "tests" / "data" / "formats" / name);
}

inline std::span<const std::byte> bytes_of(const std::string& text) { return std::as_bytes(std::span(text)); }

inline double half_value(std::uint16_t bits) {
  const int exponent = (bits >> 10) & 0x1F;
  const int mantissa = bits & 0x3FF;
  const double value = exponent == 0 ? std::ldexp(mantissa, -24) : std::ldexp(mantissa + 1024, exponent - 25);
  return (bits & 0x8000) != 0 ? -value : value;
}

inline double element(const WeightTensor& tensor, std::uint64_t at) {
  if (tensor.packing) {  // whose numbers have tests of their own
    float value = 0;
    decode_packed(*tensor.packing, tensor.data, at, std::span(&value, 1));
    return static_cast<double>(value);
  }
  const std::byte* place = tensor.data.data() + at * data_type_bytes(tensor.type);
  const auto load = [&]<class T>(T value) {
    std::memcpy(&value, place, sizeof value);
    return value;
  };
  switch (tensor.type) {
    case DataType::kF64: return load(double{});
    case DataType::kF32: return load(float{});
    case DataType::kI64: return static_cast<double>(load(std::int64_t{}));
    case DataType::kF16: return half_value(load(std::uint16_t{}));
    case DataType::kBF16: {
      const std::uint32_t bits = std::uint32_t{load(std::uint16_t{})} << 16;
      float value = 0;
      std::memcpy(&value, &bits, sizeof value);
      return value;
    }
    default: return NAN;
  }
}

/// In the order of the shape, the last dimension fastest.
inline std::vector<double> values(const WeightTensor& tensor) {
  std::vector<double> result;
  for (std::uint64_t i = 0; i < tensor.elements; ++i) {
    std::uint64_t rest = i;
    std::uint64_t at = 0;
    for (std::size_t d = tensor.shape.size(); d-- > 0;) {
      at += rest % tensor.shape[d] * tensor.strides[d];
      rest /= tensor.shape[d];
    }
    result.push_back(element(tensor, at));
  }
  return result;
}

/// Touches every element, for sanitizers.
inline void touch(const WeightFile& file) {
  for (const auto& [name, tensor] : file.tensors()) values(tensor);
}

/// -1, -0.5, 0 ..., as tools/reference/checkpoint_files.py counts.
inline std::vector<double> counting(std::size_t count) {
  std::vector<double> result(count);
  for (std::size_t i = 0; i < count; ++i) result[i] = 0.5 * static_cast<double>(i) - 1;
  return result;
}

}  // namespace rwkv::test
