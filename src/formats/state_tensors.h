// The numbers of an RWKV state, apart from the form in which an engine keeps them.
#pragma once

#include <cstdint>
#include <vector>

namespace rwkv {

/// For each layer, one after another: the last input of the time mixing (`width` values), that of the channel mixing
/// (`width`), and a matrix a head (`head_size` x `head_size`) as the author's training code has it (`time_state`): rows
/// are values and columns keys in RWKV-7, rows keys and columns values in RWKV-6.
struct StateTensors {
  std::uint32_t layers = 0;
  std::uint32_t width = 0;
  std::uint32_t heads = 0;
  std::uint32_t head_size = 0;
  std::vector<float> values;  // layers * (2 * width + heads * head_size * head_size)

  std::uint64_t matrix_values() const noexcept { return std::uint64_t{heads} * head_size * head_size; }
  std::uint64_t layer_values() const noexcept { return 2 * std::uint64_t{width} + matrix_values(); }
  bool has_shape_of(const StateTensors& other) const noexcept {
    return layers == other.layers && width == other.width && heads == other.heads && head_size == other.head_size;
  }
};

}  // namespace rwkv
