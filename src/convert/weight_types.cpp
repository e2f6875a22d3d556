#include "convert/weight_types.h"

#include <algorithm>
#include <array>
#include <string>

namespace rwkv::convert {
namespace {

struct Format {
  std::string_view name;
  WeightFormat format;
  GgmlType type;
  std::uint32_t file_type;
};

constexpr std::array kFormats{
    Format{"f32", WeightFormat::kF32, GgmlType::kF32, 0},     Format{"f16", WeightFormat::kF16, GgmlType::kF16, 1},
    Format{"bf16", WeightFormat::kBF16, GgmlType::kBF16, 32}, Format{"q8_0", WeightFormat::kQ8_0, GgmlType::kQ8_0, 7},
    Format{"q4_0", WeightFormat::kQ4_0, GgmlType::kQ4_0, 2},  Format{"q4_k", WeightFormat::kQ4_K, GgmlType::kQ4_K, 15},
    Format{"q5_k", WeightFormat::kQ5_K, GgmlType::kQ5_K, 17},
};

const Format& find(WeightFormat format) {
  return *std::find_if(kFormats.begin(), kFormats.end(), [&](const Format& f) { return f.format == format; });
}

bool packs(GgmlType type, std::uint64_t row_length) {
  return row_length % ggml_type_traits(static_cast<std::uint32_t>(type))->block == 0;
}

bool is_quantised(GgmlType type) { return ggml_type_traits(static_cast<std::uint32_t>(type))->block > 1; }

// Blocks of 256 give way to those of 32, and those to halves.
GgmlType packable(GgmlType type, std::uint64_t row_length) {
  if (packs(type, row_length)) return type;
  if (type == GgmlType::kQ4_K) type = GgmlType::kQ5_0;
  if (type == GgmlType::kQ5_K) type = GgmlType::kQ5_1;
  if (type == GgmlType::kQ6_K) type = GgmlType::kQ8_0;
  return packs(type, row_length) ? type : GgmlType::kF16;
}

}  // namespace

std::optional<WeightFormat> weight_format_named(std::string_view name) {
  std::string lower(name);
  for (char& letter : lower) {
    if (letter >= 'A' && letter <= 'Z') letter = static_cast<char>(letter - 'A' + 'a');
  }
  const auto it = std::find_if(kFormats.begin(), kFormats.end(), [&](const Format& f) { return f.name == lower; });
  if (it == kFormats.end()) return std::nullopt;
  return it->format;
}

std::uint32_t file_type(WeightFormat format) { return find(format).file_type; }

GgmlType matrix_type(std::string_view gguf_name, std::uint64_t row_length, WeightFormat format) {
  const GgmlType type = find(format).type;
  const std::string_view name = gguf_name.substr(gguf_name.rfind('.', gguf_name.size() - 8) + 1);
  const bool decay = name.starts_with("time_mix_w") || name.starts_with("time_mix_decay_w");
  if (decay) return GgmlType::kF32;
  const bool low_rank = name.starts_with("time_mix_") && (name.ends_with("1.weight") || name.ends_with("2.weight"));
  if (!is_quantised(type)) return type;
  if (low_rank) return GgmlType::kF16;
  if (name != "output.weight") return packable(type, row_length);
  if (type == GgmlType::kQ8_0 || !packs(type, row_length)) return packable(GgmlType::kQ8_0, row_length);
  return packable(GgmlType::kQ6_K, row_length);
}

}  // namespace rwkv::convert
