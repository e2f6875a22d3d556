// MLX: mx.quantize(mode="affine") and mlx_lm's save of quantised models.
#include "formats/mlx_weights.h"

#include <memory>
#include <nlohmann/json.hpp>
#include <set>
#include <utility>

#include "formats/floats.h"
#include "formats/packed_floats.h"

namespace rwkv {
namespace {

constexpr std::string_view kScales = ".scales";
constexpr std::uint64_t kWordBits = 32;
constexpr std::uint64_t kMostGroup = 1024;

class Joiner {
 public:
  Joiner(const WeightFile& weights, const nlohmann::json& config)
      : weights_(weights), reader_({}, weights.name()), result_(weights.name()) {
    for (const char* key : {"quantization", "quantization_config"}) {
      if (settings_.is_null() && config.is_object() && config.contains(key)) settings_ = config[key];
    }
    if (!settings_.is_object()) fail("has quantised weights, but no config.json beside it that says how");
    const auto mode = settings_.find("mode");
    if (mode != settings_.end() && *mode != "affine") {
      throw Error(
          ErrorCode::kUnsupported,
          "'" + weights_.name() + "' is quantised in the mode " + mode->dump().substr(0, 32) + "; 'affine' can be read",
          weights_.name());
    }
  }

  WeightFile run() {
    for (const auto& [name, tensor] : weights_.tensors()) {
      if (name.ends_with(kScales)) join(name.substr(0, name.size() - kScales.size()), tensor);
    }
    for (const auto& [name, tensor] : weights_.tensors()) {
      if (!used_.contains(name)) result_.add(reader_, tensor);
    }
    return std::move(result_);
  }

 private:
  [[noreturn]] void fail(const std::string& what) const {
    throw Error(ErrorCode::kBadFile, "'" + weights_.name() + "' " + what, weights_.name());
  }

  const WeightTensor& part(const std::string& name) {
    const WeightTensor* tensor = weights_.find(name);
    if (tensor == nullptr) fail("has no tensor '" + name.substr(0, 256) + "', which belongs to its scales");
    used_.insert(name);
    return *tensor;
  }

  // Matrices may have settings of their own, by their names.
  std::uint64_t group_of(const std::string& matrix) const {
    const auto own = settings_.find(matrix);
    const nlohmann::json& from = own != settings_.end() && own->is_object() ? *own : settings_;
    const auto group = from.find("group_size");
    if (group == from.end() || !group->is_number_unsigned()) fail("has a config.json without a 'group_size'");
    return group->get<std::uint64_t>();
  }

  void join(const std::string& matrix, const WeightTensor& scales) {
    const WeightTensor& words = part(matrix + ".weight");
    const WeightTensor& biases = part(matrix + ".biases");
    used_.insert(scales.name);
    const auto wrong = [&] {
      fail("has a quantised matrix '" + matrix.substr(0, 256) + "' whose parts do not fit each other: " +
           words.describe() + ", " + scales.describe() + " and " + biases.describe());
    };
    const std::uint64_t group = group_of(matrix);
    if (words.type != DataType::kU32 || words.shape.size() != 2 || scales.shape.size() != 2 || !is_float(scales.type) ||
        biases.type != scales.type || biases.shape != scales.shape || words.shape[0] != scales.shape[0] ||
        words.elements == 0 || group == 0 || group > kMostGroup) {
      wrong();
    }
    const std::uint64_t columns = scales.shape[1] * group;
    const std::uint64_t bits = words.shape[1] * kWordBits / columns;
    if (bits < 1 || bits > 8 || bits * columns != words.shape[1] * kWordBits) wrong();

    const auto packing = std::make_shared<Packing>();
    packing->bits = static_cast<unsigned>(bits);
    packing->group = group;
    packing->type = scales.type;
    packing->scales = scales.data;
    packing->offsets = biases.data;
    WeightTensor joined;
    joined.name = words.name;
    joined.type = scales.type;
    joined.shape = {words.shape[0], columns};
    joined.strides = contiguous_strides(joined.shape);
    joined.elements = count_elements(reader_, joined.name, joined.shape);
    joined.data = words.data;
    joined.packing = packing;
    result_.add(reader_, std::move(joined));
  }

  const WeightFile& weights_;
  const ByteReader reader_;
  WeightFile result_;
  nlohmann::json settings_;
  std::set<std::string> used_;
};

}  // namespace

bool has_mlx_weights(const WeightFile& weights) {
  for (const auto& [name, tensor] : weights.tensors()) {
    if (name.ends_with(kScales) && weights.find(name.substr(0, name.size() - kScales.size()) + ".biases")) return true;
  }
  return false;
}

WeightFile with_mlx_weights_joined(const WeightFile& weights, const nlohmann::json& config) {
  return Joiner(weights, config).run();
}

}  // namespace rwkv
