// Which tensors an RWKV model in GGUF form consists of.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace rwkv {

/// Sizes that decide the tensors' shapes.
struct RwkvGeometry {
  int version = 7;  // 6 or 7
  std::uint64_t layers = 0;
  std::uint64_t width = 0;
  std::uint64_t head_size = 0;
  std::uint64_t feed_forward = 0;
  std::uint64_t vocabulary = 0;
  // version 7: ranks of the LoRAs
  std::uint64_t decay_rank = 0;
  std::uint64_t iclr_rank = 0;
  std::uint64_t value_rank = 0;
  std::uint64_t gate_rank = 0;
  // version 6
  std::uint64_t mix_extra = 0;
  std::uint64_t decay_extra = 0;
  bool fused_lerp = false;  // one tensor instead of five
};

struct ExpectedTensor {
  std::string name;
  std::vector<std::uint64_t> dimensions;  // the contiguous one first; trailing ones may be left out in the file
  bool matrix;                            // a weight of a matrix product; everything else must be F32
};

std::vector<ExpectedTensor> expected_tensors(const RwkvGeometry& geometry);

}  // namespace rwkv
