#include "formats/ggml_type.h"

#include <algorithm>
#include <array>

namespace rwkv {
namespace {

struct Entry {
  GgmlType type;
  GgmlTypeTraits traits;
};

// Sorted by id. Bytes a block: scales and packed values as ggml-common.h lays them out.
constexpr std::array kTypes{
    Entry{GgmlType::kF32, {"F32", 1, 4}},
    Entry{GgmlType::kF16, {"F16", 1, 2}},
    Entry{GgmlType::kQ4_0, {"Q4_0", 32, 18}},
    Entry{GgmlType::kQ4_1, {"Q4_1", 32, 20}},
    Entry{GgmlType::kQ5_0, {"Q5_0", 32, 22}},
    Entry{GgmlType::kQ5_1, {"Q5_1", 32, 24}},
    Entry{GgmlType::kQ8_0, {"Q8_0", 32, 34}},
    Entry{GgmlType::kQ2_K, {"Q2_K", 256, 84}},
    Entry{GgmlType::kQ3_K, {"Q3_K", 256, 110}},
    Entry{GgmlType::kQ4_K, {"Q4_K", 256, 144}},
    Entry{GgmlType::kQ5_K, {"Q5_K", 256, 176}},
    Entry{GgmlType::kQ6_K, {"Q6_K", 256, 210}},
    Entry{GgmlType::kIQ2_XXS, {"IQ2_XXS", 256, 66}},
    Entry{GgmlType::kIQ2_XS, {"IQ2_XS", 256, 74}},
    Entry{GgmlType::kIQ3_XXS, {"IQ3_XXS", 256, 98}},
    Entry{GgmlType::kIQ1_S, {"IQ1_S", 256, 50}},
    Entry{GgmlType::kIQ4_NL, {"IQ4_NL", 32, 18}},
    Entry{GgmlType::kIQ3_S, {"IQ3_S", 256, 110}},
    Entry{GgmlType::kIQ2_S, {"IQ2_S", 256, 82}},
    Entry{GgmlType::kIQ4_XS, {"IQ4_XS", 256, 136}},
    Entry{GgmlType::kIQ1_M, {"IQ1_M", 256, 56}},
    Entry{GgmlType::kBF16, {"BF16", 1, 2}},
    Entry{GgmlType::kTQ1_0, {"TQ1_0", 256, 54}},
    Entry{GgmlType::kTQ2_0, {"TQ2_0", 256, 66}},
    Entry{GgmlType::kMXFP4, {"MXFP4", 32, 17}},
};

}  // namespace

const GgmlTypeTraits* ggml_type_traits(std::uint32_t id) noexcept {
  const auto it = std::find_if(kTypes.begin(), kTypes.end(),
                               [id](const Entry& entry) { return static_cast<std::uint32_t>(entry.type) == id; });
  return it == kTypes.end() ? nullptr : &it->traits;
}

}  // namespace rwkv
