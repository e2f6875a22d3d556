#include "media/encoders/encoder_weights.h"

#include <algorithm>
#include <cstring>
#include <functional>
#include <numeric>
#include <utility>

#include "base/checksum.h"
#include "base/error.h"

namespace rwkv::media {
namespace {

constexpr std::size_t kAlignment = 64;
constexpr std::size_t kMappedAlignment = 32;  // as GGUF files have it by default, and ggml's kernels expect it
constexpr std::size_t kSampleBytes = 4096;

std::uint64_t product(std::span<const std::uint64_t> sizes) {
  return std::accumulate(sizes.begin(), sizes.end(), std::uint64_t{1}, std::multiplies<>());
}

const GgmlTypeTraits& traits_of(GgmlType type) { return *ggml_type_traits(static_cast<std::uint32_t>(type)); }

std::string describe(GgmlType type, std::span<const std::uint64_t> dimensions) {
  std::string text(traits_of(type).name);
  for (std::size_t i = 0; i < dimensions.size(); ++i) {
    text.append(i == 0 ? " [" : ", ").append(std::to_string(dimensions[i]));
  }
  return text + "]";
}

}  // namespace

EncoderWeights::~EncoderWeights() { ggml_free(context_); }

void EncoderWeights::add(const GgufFile& file, std::shared_ptr<const MappedFile> mapping) {
  for (const GgufTensor& tensor : file.tensors()) {
    sources_.insert_or_assign(std::string(tensor.name), Source{tensor.type, tensor.dimensions, tensor.data});
  }
  keep(std::move(mapping), file.tensors().empty() ? nullptr : file.tensors().front().data.data());
}

void EncoderWeights::add(const WhisperGgmlFile& file, std::shared_ptr<const MappedFile> mapping) {
  for (const auto& [name, tensor] : file.tensors) {
    sources_.insert_or_assign(std::string(name), Source{tensor.type, tensor.dimensions, tensor.data});
  }
  keep(std::move(mapping), nullptr);  // sizes of tensors say what its header does
}

void EncoderWeights::keep(std::shared_ptr<const MappedFile> mapping, const std::byte* header_end) {
  if (!mapping) return;
  const auto bytes = mapping->bytes();
  if (header_end != nullptr) {
    header_checksum_ = checksum(bytes.first(static_cast<std::size_t>(header_end - bytes.data())), header_checksum_);
  }
  mappings_.push_back(std::move(mapping));
}

const EncoderWeights::Source& EncoderWeights::find(std::string_view name) const {
  const auto found = sources_.find(name);
  if (found != sources_.end()) return found->second;
  throw Error(ErrorCode::kBadFile,
              "'" + name_ + "' lacks the tensor '" + std::string(name) + "', which its header promises", name_);
}

const std::vector<std::uint64_t>& EncoderWeights::dimensions(std::string_view name) const {
  return find(name).dimensions;
}

std::uint64_t EncoderWeights::elements(std::string_view name) const { return product(dimensions(name)); }

const EncoderWeights::Source& EncoderWeights::take(std::string_view name, std::uint64_t row, std::uint64_t rows) {
  const Source& source = find(name);
  if (!taken_names_.insert(&source).second) {
    throw Error(ErrorCode::kInternal, "the tensor '" + std::string(name) + "' is taken twice");
  }
  // Rows begin where a product of the first sizes is a row's length.
  std::uint64_t length = 1;
  std::size_t d = 0;
  while (d < source.dimensions.size() && length < row) length *= source.dimensions[d++];
  const std::uint64_t rest = product(std::span(source.dimensions).subspan(d));
  if (length != row || rest != rows) {
    throw Error(ErrorCode::kBadFile,
                "'" + name_ + "': tensor '" + std::string(name) + "' is " + describe(source.type, source.dimensions) +
                    ", where " + std::to_string(rows) + " rows of " + std::to_string(row) +
                    " values follow from the header",
                name_);
  }
  parameters_ += row * rows;
  taken_[source.type] += row * rows;
  return source;
}

std::byte* EncoderWeights::own(std::size_t bytes) {
  Bytes& buffer = buffers_.emplace_back(bytes + kAlignment);
  owned_bytes_ += bytes;
  void* place = buffer.data();
  std::size_t space = buffer.size();
  return static_cast<std::byte*>(std::align(kAlignment, bytes, place, space));
}

ggml_tensor* EncoderWeights::tensor(ggml_type type, std::uint64_t row, std::uint64_t rows, const void* data) {
  if (context_ == nullptr) {
    memory_.resize((sources_.size() + 1) * ggml_tensor_overhead());
    context_ = ggml_init({memory_.size(), memory_.data(), true});
    if (context_ == nullptr) throw out_of_memory();
  }
  ggml_tensor* tensor =
      ggml_new_tensor_2d(context_, type, static_cast<std::int64_t>(row), static_cast<std::int64_t>(rows));
  tensor->data = const_cast<void*>(data);  // ggml writes to no weights
  return tensor;
}

ggml_tensor* EncoderWeights::matrix(std::string_view name, std::uint64_t row, std::uint64_t rows) {
  const Source& source = take(name, row, rows);
  const std::byte* data = source.data.data();
  if (reinterpret_cast<std::uintptr_t>(data) % kMappedAlignment != 0) {
    std::byte* copy = own(source.data.size());
    std::memcpy(copy, data, source.data.size());
    data = copy;
  } else {
    mapped_bytes_ += source.data.size();
  }
  return tensor(static_cast<ggml_type>(source.type), row, rows, data);
}

ggml_tensor* EncoderWeights::floats(std::string_view name, std::uint64_t row, std::uint64_t rows) {
  const Source& source = take(name, row, rows);
  const auto count = static_cast<std::size_t>(row * rows);
  auto* values = reinterpret_cast<float*>(own(count * sizeof(float)));
  if (source.type == GgmlType::kF32) {
    std::memcpy(values, source.data.data(), count * sizeof(float));
  } else {
    // ggml's loops want aligned blocks.
    const std::vector<std::byte> aligned(source.data.begin(), source.data.end());
    ggml_get_type_traits(static_cast<ggml_type>(source.type))
        ->to_float(aligned.data(), values, static_cast<std::int64_t>(count));
  }
  return tensor(GGML_TYPE_F32, row, rows, values);
}

Linear EncoderWeights::linear(const std::string& name, std::uint64_t row, std::uint64_t rows, bool needs_bias) {
  Linear linear;
  linear.weight = matrix(name + ".weight", row, rows);
  if (needs_bias || has(name + ".bias")) linear.bias = floats(name + ".bias", rows);
  return linear;
}

Norm EncoderWeights::norm(const std::string& name, std::uint64_t width) {
  return {floats(name + ".weight", width), floats(name + ".bias", width)};
}

std::uint64_t EncoderWeights::file_bytes() const noexcept {
  std::uint64_t sum = 0;
  for (const auto& mapping : mappings_) sum += mapping->bytes().size();
  return sum;
}

std::string EncoderWeights::weight_type() const {
  const auto most =
      std::max_element(taken_.begin(), taken_.end(), [](const auto& a, const auto& b) { return a.second < b.second; });
  return most == taken_.end() ? "" : std::string(traits_of(most->first).name);
}

std::uint64_t EncoderWeights::fingerprint() const {
  std::uint64_t hash = header_checksum_;
  for (const auto& [name, source] : sources_) {
    hash = checksum(std::as_bytes(std::span(name)), hash);
    hash = checksum(std::as_bytes(std::span(source.dimensions)), hash);
    const auto type = static_cast<std::uint32_t>(source.type);
    hash = checksum(std::as_bytes(std::span(&type, 1)), hash);
    // Training changes every matrix everywhere, so that a part of each tells files apart.
    const std::size_t begin = source.data.size() / 2;
    hash = checksum(source.data.subspan(begin, std::min(kSampleBytes, source.data.size() - begin)), hash);
  }
  return hash;
}

void EncoderWeights::check_whole() const {
  for (const auto& mapping : mappings_) mapping->check_whole();
}

}  // namespace rwkv::media
