// The beginning of a GGUF file: everything but the tensors' data.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "convert/planned_tensor.h"
#include "formats/gguf.h"

namespace rwkv::convert {

/// Collects keys in the order of the file. GGUF version 3, data aligned to 32 bytes.
class GgufHeader {
 public:
  void text(std::string_view key, std::string_view value);
  void number(std::string_view key, std::uint32_t value);
  void real(std::string_view key, float value);
  void flag(std::string_view key, bool value);
  void texts(std::string_view key, std::span<const std::string> values);
  void numbers(std::string_view key, std::span<const std::int32_t> values);
  void reals(std::string_view key, std::span<const float> values);

  /// Sets the tensors' offsets and gives the bytes up to the first one's data, padding included.
  std::vector<std::byte> finish(std::span<PlannedTensor> tensors) const;

 private:
  void key(std::string_view name, GgufValueType type);

  std::string keys_;
  std::uint64_t count_ = 0;
};

}  // namespace rwkv::convert
