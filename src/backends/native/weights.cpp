#include "backends/native/weights.h"

#include <algorithm>
#include <cstring>
#include <iterator>
#include <string>
#include <string_view>
#include <utility>

#include "backends/native/blocks.h"
#include "backends/native/pack.h"
#include "base/error.h"

namespace rwkv::native {
namespace {

constexpr std::size_t kAlignment = 64;

bool is_matrix(const GgufTensor& tensor) {
  constexpr std::string_view kEnds[] = {"1.weight",          "2.weight",      "key.weight",       "value.weight",
                                        "receptance.weight", "output.weight", "token_embd.weight"};
  const auto ends_so = [&](std::string_view end) { return tensor.name.ends_with(end); };
  return tensor.name.find("norm") == std::string_view::npos && std::any_of(std::begin(kEnds), std::end(kEnds), ends_so);
}

// What layer 0 carries without using it: there is no earlier value to mix with.
bool is_used(const GgufTensor& tensor) {
  return tensor.name != "token_embd.weight" && tensor.name != "blk.0.time_mix_v1.weight" &&
         tensor.name != "blk.0.time_mix_v2.weight" && tensor.name != "blk.0.time_mix_v0.weight";
}

// Its vector is a square of what is positive, so half of it and more is zero.
bool is_by_columns(const GgufTensor& tensor) { return tensor.name.ends_with("channel_mix_value.weight"); }

std::size_t aligned(std::size_t bytes) { return (bytes + kAlignment - 1) / kAlignment * kAlignment; }

std::size_t bytes_in_memory(const GgufTensor& tensor) {
  if (!is_used(tensor)) return 0;
  return is_matrix(tensor) ? bytes_of(shape_of(tensor, is_by_columns(tensor))) : aligned(tensor.data.size());
}

}  // namespace

Geometry geometry_of(const GgufFile& file, const RwkvPassport& passport) {
  Geometry g;
  g.layers = static_cast<std::size_t>(passport.layers);
  g.width = static_cast<std::size_t>(passport.width);
  g.heads = static_cast<std::size_t>(passport.heads);
  g.head_size = static_cast<std::size_t>(passport.head_size);
  g.feed_forward = static_cast<std::size_t>(passport.feed_forward);
  g.vocabulary = static_cast<std::size_t>(passport.vocabulary);
  // The passport has checked that it is there.
  g.epsilon = static_cast<float>(std::get<double>(file.find("rwkv7.attention.layer_norm_epsilon")->value));
  return g;
}

void check_is_supported(const GgufFile& file, const RwkvPassport& passport) {
  const std::string name = "'" + file.name() + "'";
  if (passport.architecture != "rwkv7") {
    throw Error(ErrorCode::kUnsupported,
                name + " is " + passport.architecture + "; this backend runs rwkv7, llama.cpp runs both", file.name());
  }
  for (const GgufTensor& tensor : file.tensors()) {
    if (packing_of(tensor.type)) continue;
    throw Error(ErrorCode::kUnsupported,
                name + ": tensor '" + std::string(tensor.name) + "' is " + tensor.describe() +
                    "; this backend computes with F32, F16, BF16, Q8_0, Q4_0, Q4_K, Q5_K "
                    "and Q6_K",
                file.name());
  }
  if (static_cast<std::size_t>(passport.head_size) > kMostHeadSize) {
    throw Error(ErrorCode::kUnsupported,
                name + " has heads of " + std::to_string(passport.head_size) + " values; this backend runs up to " +
                    std::to_string(kMostHeadSize),
                file.name());
  }
}

std::uint64_t packed_bytes(const GgufFile& file) {
  std::uint64_t bytes = 0;
  for (const GgufTensor& tensor : file.tensors()) bytes += bytes_in_memory(tensor);
  return bytes;
}

// Gives tensors their places in one block of memory.
class Weights::Packer {
 public:
  Packer(Weights& weights, const ModelSource& source, ThreadPool& pool, const CancelToken& cancel,
         const std::function<void(float)>& progress)
      : source_(source), pool_(pool), cancel_(cancel), progress_(progress) {
    total_ = static_cast<std::size_t>(packed_bytes(source.gguf())) + kAlignment;
    weights.memory_ = Pages(total_);
    free_ = weights.memory_.data();
    while (reinterpret_cast<std::uintptr_t>(free_) % kAlignment != 0) ++free_;
  }

  const float* vector(const std::string& name) {
    const GgufTensor& tensor = find(name);
    std::byte* to = take(aligned(tensor.data.size()));
    std::memcpy(to, tensor.data.data(), tensor.data.size());
    return reinterpret_cast<const float*>(to);
  }

  NormWeights norm(const std::string& name) { return {vector(name + ".weight"), vector(name + ".bias")}; }

  PanelMatrix matrix(const std::string& name) {
    const GgufTensor& tensor = find(name);
    PanelMatrix matrix = shape_of(tensor, is_by_columns(tensor));
    std::byte* to = take(bytes_of(matrix));
    matrix.panels = to;
    // Looks at the flag often in a table of a large vocabulary, too.
    pool_.run(matrix.panel_count(), cancel_,
              [&](std::size_t i) { pack_panel(tensor, matrix, i, to + i * matrix.panel_bytes); });
    source_.mapping()->forget(tensor.data);
    return matrix;
  }

  Lora lora(const std::string& name) { return {matrix(name + "1.weight"), matrix(name + "2.weight")}; }

 private:
  const GgufTensor& find(const std::string& name) const { return *source_.gguf().find_tensor(name); }

  std::byte* take(std::size_t bytes) {
    cancel_.check();
    if (progress_) progress_(static_cast<float>(done_) / static_cast<float>(total_));
    cancel_.check();
    done_ += bytes;
    return std::exchange(free_, free_ + bytes);
  }

  const ModelSource& source_;
  ThreadPool& pool_;
  const CancelToken& cancel_;
  const std::function<void(float)>& progress_;
  std::size_t total_ = 0;
  std::size_t done_ = 0;
  std::byte* free_ = nullptr;
};

Weights::Weights(const ModelSource& source, ThreadPool& pool, const CancelToken& cancel,
                 const std::function<void(float)>& progress)
    : geometry_(geometry_of(source.gguf(), source.passport())),
      embedding_(*source.gguf().find_tensor("token_embd.weight")) {
  Packer packer(*this, source, pool, cancel, progress);
  embedding_norm_ = packer.norm("token_embd_norm");
  for (std::size_t i = 0; i < geometry_.layers; ++i) {
    const std::string block = "blk." + std::to_string(i) + ".";
    const std::string mix = block + "time_mix_";
    LayerWeights& layer = layers_.emplace_back();
    layer.attention_norm = packer.norm(block + "attn_norm");
    layer.shares = packer.vector(mix + "lerp_fused.weight");
    layer.receptance = packer.matrix(mix + "receptance.weight");
    layer.key = packer.matrix(mix + "key.weight");
    layer.value = packer.matrix(mix + "value.weight");
    layer.decay = packer.lora(mix + "w");
    layer.rate = packer.lora(mix + "a");
    if (i > 0) layer.residual = packer.lora(mix + "v");
    layer.gate = packer.lora(mix + "g");
    layer.head = {.decay = packer.vector(mix + "w0.weight"),
                  .rate = packer.vector(mix + "a0.weight"),
                  .residual = i > 0 ? packer.vector(mix + "v0.weight") : nullptr,
                  .k_k = packer.vector(mix + "k_k.weight"),
                  .k_a = packer.vector(mix + "k_a.weight"),
                  .r_k = packer.vector(mix + "r_k.weight"),
                  .norm = packer.norm(mix + "ln")};
    layer.output = packer.matrix(mix + "output.weight");
    layer.feed_forward_norm = packer.norm(block + "attn_norm_2");
    layer.feed_forward_share = packer.vector(block + "channel_mix_lerp_k.weight");
    layer.feed_forward_key = packer.matrix(block + "channel_mix_key.weight");
    layer.feed_forward_value = packer.matrix(block + "channel_mix_value.weight");
  }
  output_norm_ = packer.norm("output_norm");
  head_ = packer.matrix("output.weight");
  cancel.check();
}

void Weights::read_embedding(std::size_t token, float* out) const noexcept {
  const std::size_t row_bytes = embedding_.data.size() / geometry_.vocabulary;
  read_row(*packing_of(embedding_.type), embedding_.data.data() + token * row_bytes, geometry_.width, out);
}

}  // namespace rwkv::native
