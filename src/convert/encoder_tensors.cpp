#include "convert/encoder_tensors.h"

#include <algorithm>
#include <charconv>

#include "base/error.h"
#include "convert/weight_types.h"
#include "formats/floats.h"

namespace rwkv::convert {
namespace {

constexpr std::uint64_t kMaxSize = 1u << 20;
constexpr std::uint32_t kMaxLayers = 256;
constexpr std::size_t kMaxProblems = 20;

// Rows of `row` values, if the view's values follow each other so.
bool in_rows(SourceView& view, std::uint64_t row) {
  std::uint64_t elements = 1;
  for (std::size_t d = 0; d < view.sizes.size(); ++d) {
    if (view.sizes[d] != 1 && view.strides[d] != elements) return false;
    elements *= view.sizes[d];
  }
  view.sizes = {row};
  view.strides = {1};
  if (elements == row) return true;
  view.sizes.push_back(elements / row);
  view.strides.push_back(row);
  return elements % row == 0;
}

}  // namespace

std::vector<std::string> EncoderTensors::prefix_of(std::string_view end, std::string_view without) const {
  std::vector<std::string> prefixes;
  for (const auto& [name, tensor] : weights_.tensors()) {
    if (!name.ends_with(end) || name.starts_with(without)) continue;
    const std::string prefix = name.substr(0, name.size() - end.size());
    if (prefix.empty() || prefix.ends_with('.')) prefixes.push_back(prefix);
  }
  if (prefixes.size() < 2) return prefixes;
  throw Error(ErrorCode::kUnsupported,
              "'" + weights_.name() + "' has '" + std::string(end) + "' twice, as '" + prefixes[0].substr(0, 64) +
                  "' and '" + prefixes[1].substr(0, 64) + "'; save the one that is wanted by itself",
              weights_.name());
}

std::vector<std::uint64_t> EncoderTensors::shape(const std::string& name, std::size_t rank) const {
  const WeightTensor* tensor = weights_.find(name);
  if (tensor == nullptr) {
    throw Error(ErrorCode::kBadFile, "'" + weights_.name() + "' lacks the tensor '" + name + "'", weights_.name());
  }
  const auto& shape = tensor->shape;
  if (shape.size() != rank || tensor->elements == 0 || *std::max_element(shape.begin(), shape.end()) > kMaxSize) {
    throw Error(ErrorCode::kBadFile,
                "'" + weights_.name() + "': tensor '" + name + "' is " + tensor->describe() + ", not " +
                    std::to_string(rank) + " sizes",
                weights_.name());
  }
  return shape;
}

std::uint32_t EncoderTensors::layers(const std::string& prefix) const {
  std::uint32_t layers = 0;
  for (const auto& [name, tensor] : weights_.tensors()) {
    if (!name.starts_with(prefix)) continue;
    std::uint32_t index = kMaxLayers;
    std::from_chars(name.data() + prefix.size(), name.data() + name.size(), index);
    if (index >= kMaxLayers) {
      throw Error(ErrorCode::kBadFile, "'" + weights_.name() + "': tensor '" + name.substr(0, 64) + "' is in no layer",
                  weights_.name());
    }
    layers = std::max(layers, index + 1);
  }
  return layers;
}

void EncoderTensors::take(const std::string& name, const std::string& source, std::vector<std::uint64_t> dimensions,
                          GgmlType type) {
  const WeightTensor* tensor = weights_.find(source);
  if (tensor == nullptr) {
    problems_.push_back("tensor '" + source + "' is missing");
    return;
  }
  taken_.insert(source);
  PlannedTensor planned;
  planned.name = name;
  planned.dimensions = std::move(dimensions);
  planned.type = type;
  SourceView view = view_of(*tensor);
  const std::uint64_t row = planned.dimensions[0];
  const std::uint64_t rows = planned.dimensions.size() > 1 ? planned.dimensions[1] : 1;
  const bool fits = tensor->elements == row * rows && (rows == 1 || tensor->shape.front() == rows);
  if (!fits || !is_float(tensor->type) || !in_rows(view, row)) {
    problems_.push_back("tensor '" + source + "' is " + tensor->describe() + ", where " + std::to_string(rows) +
                        " rows of " + std::to_string(row) + " numbers follow from the other sizes");
    return;
  }
  planned.parts.push_back(std::move(view));
  tensors_.push_back(std::move(planned));
}

void EncoderTensors::matrix(const std::string& name, const std::string& source, std::uint64_t row, std::uint64_t rows) {
  take(name, source, {row, rows}, matrix_type(name, row, format_));
}

void EncoderTensors::floats(const std::string& name, const std::string& source, std::uint64_t row, std::uint64_t rows) {
  take(name, source, rows == 1 ? std::vector{row} : std::vector{row, rows}, GgmlType::kF32);
}

void EncoderTensors::linear(const std::string& name, const std::string& source, std::uint64_t row, std::uint64_t rows,
                            bool needs_bias) {
  matrix(name + ".weight", source + ".weight", row, rows);
  if (needs_bias || has(source + ".bias")) floats(name + ".bias", source + ".bias", rows);
}

void EncoderTensors::norm(const std::string& name, const std::string& source, std::uint64_t width) {
  floats(name + ".weight", source + ".weight", width);
  floats(name + ".bias", source + ".bias", width);
}

void EncoderTensors::expect_all_taken(const std::string& prefix, const std::vector<std::string>& idle) {
  for (const auto& [name, tensor] : weights_.tensors()) {
    if (!name.starts_with(prefix) || taken_.contains(name)) continue;
    const std::string_view rest = std::string_view(name).substr(prefix.size());
    if (std::none_of(idle.begin(), idle.end(), [&](const std::string& part) { return rest.starts_with(part); })) {
      problems_.push_back("tensor '" + name.substr(0, 64) + "' is not part of such an encoder");
    }
  }
}

std::vector<PlannedTensor> EncoderTensors::finish(std::string_view what) {
  if (problems_.empty()) return std::move(tensors_);
  std::string message = "'" + weights_.name() + "' is no sound " + std::string(what) + ": ";
  for (std::size_t i = 0; i < std::min(problems_.size(), kMaxProblems); ++i) {
    message += (i > 0 ? "; " : "") + problems_[i];
  }
  if (problems_.size() > kMaxProblems) {
    message += "; and " + std::to_string(problems_.size() - kMaxProblems) + " more problems";
  }
  throw Error(ErrorCode::kBadFile, message, weights_.name());
}

}  // namespace rwkv::convert
