// The tensor types of ggml 0.25: facts of the file format, not of an engine.
#pragma once

#include <cstdint>
#include <string_view>

namespace rwkv {

enum class GgmlType : std::uint32_t {
  kF32 = 0,
  kF16 = 1,
  kQ4_0 = 2,
  kQ4_1 = 3,
  kQ5_0 = 6,
  kQ5_1 = 7,
  kQ8_0 = 8,
  kQ2_K = 10,
  kQ3_K = 11,
  kQ4_K = 12,
  kQ5_K = 13,
  kQ6_K = 14,
  kIQ2_XXS = 16,
  kIQ2_XS = 17,
  kIQ3_XXS = 18,
  kIQ1_S = 19,
  kIQ4_NL = 20,
  kIQ3_S = 21,
  kIQ2_S = 22,
  kIQ4_XS = 23,
  kIQ1_M = 29,
  kBF16 = 30,
  kTQ1_0 = 34,
  kTQ2_0 = 35,
  kMXFP4 = 39,
};

/// How a type packs a row: `block` values into `bytes` bytes. All of these can be the weights of a matrix product.
struct GgmlTypeTraits {
  std::string_view name;
  std::uint32_t block;
  std::uint32_t bytes;
};

/// Null for ids that are no weight type of this version (removed, integer, double, intermediate).
const GgmlTypeTraits* ggml_type_traits(std::uint32_t id) noexcept;

}  // namespace rwkv
