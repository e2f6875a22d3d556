#include "convert/rwkv_plan.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <charconv>
#include <cmath>
#include <numeric>
#include <set>
#include <utility>

#include "base/error.h"
#include "convert/author_names.h"
#include "convert/rwkv_names.h"
#include "convert/weight_types.h"
#include "formats/floats.h"

namespace rwkv::convert {
namespace {

constexpr std::uint64_t kMaxLayers = 512;
constexpr std::uint64_t kMaxSize = 1u << 20;  // of any dimension
constexpr std::size_t kMaxProblems = 20;
// As in the configuration of the published RWKV-6 models: keeps activations of deep layers within a half's range.
constexpr std::uint32_t kRwkv6RescaleEvery = 6;

class Planner {
 public:
  Planner(const WeightFile& weights, WeightFormat format) : weights_(weights), format_(format) {}

  RwkvPlan run() {
    read_geometry();
    refuse_if_problems();  // every shape follows from the geometry
    for (const ExpectedTensor& expected : expected_tensors(plan_.geometry)) plan_tensor(expected);
    report_unused();
    refuse_if_problems();
    return std::move(plan_);
  }

 private:
  void problem(const std::string& text) { problems_.push_back(text); }

  void refuse_if_problems() const {
    if (problems_.empty()) return;
    std::string message =
        "'" + weights_.name() + "' is no sound RWKV-" + std::to_string(plan_.geometry.version) + " checkpoint: ";
    for (std::size_t i = 0; i < std::min(problems_.size(), kMaxProblems); ++i) {
      message += (i > 0 ? "; " : "") + problems_[i];
    }
    if (problems_.size() > kMaxProblems) {
      message += "; and " + std::to_string(problems_.size() - kMaxProblems) + " more problems";
    }
    throw Error(ErrorCode::kBadFile, message, weights_.name());
  }

  const WeightTensor* find(const std::string& name) {
    for (const std::string& candidate : {name, safetensors_name(name)}) {
      if (const WeightTensor* tensor = weights_.find(candidate)) {
        used_.insert(tensor->name);
        return tensor;
      }
    }
    return nullptr;
  }

  // The sizes of a tensor that decide others; zeros and a problem when it is not there or has another rank.
  std::vector<std::uint64_t> sizes(const std::string& name, std::size_t rank) {
    const WeightTensor* tensor = find(name);
    if (tensor == nullptr) {
      problem("tensor '" + name + "' is missing");
    } else if (tensor->shape.size() != rank || tensor->elements == 0 ||
               *std::max_element(tensor->shape.begin(), tensor->shape.end()) > kMaxSize) {
      problem("tensor '" + name + "' is " + tensor->describe() + ", not " + std::to_string(rank) + " sizes from 1 to " +
              std::to_string(kMaxSize));
    } else {
      return tensor->shape;
    }
    return std::vector<std::uint64_t>(rank, 0);
  }

  // Of a matrix with the model's width on one side, whichever it is, the other one.
  std::uint64_t rank_of(const std::string& name) {
    const auto shape = sizes(name, 2);
    return shape[0] == plan_.geometry.width ? shape[1] : shape[0];
  }

  void read_geometry() {
    RwkvGeometry& g = plan_.geometry;
    if (find("blocks.0.att.r_k")) {
      g.version = 7;
    } else if (find("blocks.0.att.time_maa_x")) {
      g.version = 6;
    } else {
      if (const std::string other = other_checkpoint(weights_); !other.empty()) {
        throw Error(ErrorCode::kUnsupported, "'" + weights_.name() + "' " + other, weights_.name());
      }
      throw Error(ErrorCode::kUnsupported,
                  "'" + weights_.name() +
                      "' has neither the tensors of RWKV-7 ('blocks.0.att.r_k') nor of RWKV-6 "
                      "('blocks.0.att.time_maa_x'); other models and other naming cannot be converted",
                  weights_.name());
    }
    const auto embedding = sizes("emb.weight", 2);
    g.vocabulary = embedding[0];
    g.width = embedding[1];
    g.layers = count_layers();
    g.head_size = sizes(g.version == 7 ? "blocks.0.att.r_k" : "blocks.0.att.time_faaaa", 2)[1];
    g.feed_forward = sizes("blocks.0.ffn.key.weight", 2)[0];
    if (g.version == 7) {
      g.decay_rank = rank_of("blocks.0.att.w1");
      g.iclr_rank = rank_of("blocks.0.att.a1");
      g.gate_rank = rank_of("blocks.0.att.g1");
      // A model of one layer mixes no values.
      g.value_rank = g.layers > 1 ? rank_of("blocks.1.att.v1") : g.iclr_rank;
    } else {
      g.fused_lerp = true;
      g.mix_extra = rank_of("blocks.0.att.time_maa_w1") / 5;
      g.decay_extra = rank_of("blocks.0.att.time_decay_w1");
      plan_.rescale_every = kRwkv6RescaleEvery;
    }
    if (g.head_size == 0 || g.width % g.head_size != 0) {
      problem("the width " + std::to_string(g.width) + " is not a multiple of the head size " +
              std::to_string(g.head_size));
    }
  }

  std::uint64_t count_layers() {
    constexpr std::string_view kPrefix = "blocks.";
    std::uint64_t layers = 0;
    for (const auto& [name, tensor] : weights_.tensors()) {
      if (!name.starts_with(kPrefix)) continue;
      std::uint64_t index = kMaxLayers;
      std::from_chars(name.data() + kPrefix.size(), name.data() + name.size(), index);
      if (index >= kMaxLayers) {
        problem("tensor '" + name.substr(0, 64) + "' is in none of " + std::to_string(kMaxLayers) + " layers");
        return 0;
      }
      layers = std::max(layers, index + 1);
    }
    return layers;
  }

  void plan_tensor(const ExpectedTensor& expected) {
    PlannedTensor tensor;
    tensor.name = expected.name;
    tensor.dimensions = expected.dimensions;
    tensor.type = expected.matrix ? matrix_type(expected.name, expected.dimensions[0], format_) : GgmlType::kF32;
    const RwkvSource source = rwkv_source(expected.name, plan_.geometry.version);
    std::vector<std::uint64_t> wanted = expected.dimensions;
    if (source.names.size() > 1) wanted.back() /= source.names.size();
    std::erase(wanted, 1u);
    if (wanted.empty()) wanted.push_back(1);
    for (const std::string& name : source.names) {
      const WeightTensor* weight = find(name);
      if (weight == nullptr) {
        problem("tensor '" + name + "' is missing");
        continue;
      }
      if (!is_float(weight->type)) {
        problem("tensor '" + name + "' is " + weight->describe() + ", the type should be F32, F16, BF16 or F64");
        continue;
      }
      SourceView view = view_of(*weight);
      if (source.transposed && transposed(view).sizes == wanted) {
        view = transposed(view);
      } else if (view.sizes != wanted && !(wanted.size() == 1 && flattens_to(view, wanted[0]))) {
        problem("tensor '" + name + "' is " + weight->describe() + ", which does not fit the model's other sizes");
        continue;
      }
      tensor.parts.push_back(std::move(view));
    }
    if (plan_.rescale_every > 0 && source.rescaled) {
      tensor.scale = std::ldexp(1.0f, -static_cast<int>(source.layer / plan_.rescale_every));
    }
    if (tensor.parts.size() == source.names.size()) plan_.tensors.push_back(std::move(tensor));
  }

  // r_k is a vector here and a matrix of heads there; rows follow each other whatever the strides.
  static bool flattens_to(const SourceView& view, std::uint64_t length) {
    return std::accumulate(view.sizes.begin(), view.sizes.end(), std::uint64_t{1}, std::multiplies<>()) == length;
  }

  void report_unused() {
    for (const auto& [name, tensor] : weights_.tensors()) {
      // Some checkpoints have the first layer's value residual, which nothing reads.
      const bool idle = plan_.geometry.version == 7 && name.starts_with("blocks.0.att.v") && name.size() == 15;
      if (!idle && !used_.contains(name)) problem("tensor '" + name.substr(0, 64) + "' is not part of the model");
    }
  }

  const WeightFile& weights_;
  const WeightFormat format_;
  RwkvPlan plan_;
  std::set<std::string> used_;
  std::vector<std::string> problems_;
};

}  // namespace

RwkvPlan plan_rwkv(const WeightFile& weights, WeightFormat format) { return Planner(weights, format).run(); }

}  // namespace rwkv::convert
