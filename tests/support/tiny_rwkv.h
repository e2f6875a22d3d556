// Small RWKV models of random weights, as numbers and as GGUF files.
#pragma once

#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <map>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "support/gguf_writer.h"

namespace rwkv::test {

inline constexpr std::uint32_t kF32 = 0;
inline constexpr std::uint32_t kF16 = 1;

struct TinyShape {
  int version = 7;
  std::uint32_t layers = 2;
  std::uint32_t width = 128;
  std::uint32_t head_size = 64;
  std::uint32_t feed_forward = 256;
  std::uint32_t rank = 16;  // of all LoRAs
  std::uint32_t vocabulary = 64;
};

/// The bits of a value that a half can hold exactly.
inline std::uint16_t exact_half(float value) {
  if (value == 0) return 0;
  int exponent = 0;
  const float fraction = std::frexp(std::fabs(value), &exponent);  // in [0.5, 1)
  const auto mantissa = static_cast<std::uint32_t>(std::lround(fraction * 2048)) & 0x3FFu;
  return static_cast<std::uint16_t>((value < 0 ? 0x8000u : 0u) | (static_cast<std::uint32_t>(exponent + 14) << 10) |
                                    mantissa);
}

class TinyRwkv {
 public:
  struct Tensor {
    std::string name;
    std::vector<std::uint64_t> dimensions;
    bool matrix;
    std::vector<float> values;
  };

  explicit TinyRwkv(TinyShape shape, std::uint32_t seed = 1) : shape_(shape), random_(seed) {
    const std::uint64_t c = shape.width;
    matrix("token_embd.weight", {c, shape.vocabulary}, 0.45f);
    norm("token_embd_norm");
    norm("output_norm");
    matrix("output.weight", {c, shape.vocabulary});
    for (std::uint32_t layer = 0; layer < shape.layers; ++layer) add_layer("blk." + std::to_string(layer) + ".");
  }

  const TinyShape& shape() const { return shape_; }
  const std::vector<Tensor>& tensors() const { return tensors_; }
  const std::vector<float>& operator[](const std::string& name) const { return tensors_[index_.at(name)].values; }

  /// The file, with matrices as F32 or F16. Their values are exact in both.
  GgufWriter gguf(std::uint32_t matrix_type = kF32) const {
    GgufWriter file;
    const std::string arch = "rwkv" + std::to_string(shape_.version);
    file.text("general.architecture", arch).text("general.name", "tiny");
    const auto set = [&](const std::string& key, std::uint32_t value) { file.u32(arch + "." + key, value); };
    set("context_length", 4096);
    set("embedding_length", shape_.width);
    set("block_count", shape_.layers);
    set("feed_forward_length", shape_.feed_forward);
    set("wkv.head_size", shape_.head_size);
    set("attention.head_count", 0);
    file.f32(arch + ".attention.layer_norm_epsilon", 1e-5f);
    if (shape_.version == 7) {
      for (const char* name : {"decay", "iclr", "value_residual_mix", "gate"}) {
        set("attention." + std::string(name) + "_lora_rank", shape_.rank);
      }
    } else {
      set("time_mix_extra_dim", shape_.rank);
      set("time_decay_extra_dim", shape_.rank);
      set("rescale_every_n_layers", 0);
    }
    file.text("tokenizer.ggml.model", "rwkv").texts("tokenizer.ggml.tokens", token_texts());
    for (const Tensor& tensor : tensors_) {
      const bool half = tensor.matrix && matrix_type == kF16;
      std::string data(tensor.values.size() * (half ? 2 : 4), '\0');
      for (std::size_t i = 0; i < tensor.values.size(); ++i) {
        const std::uint16_t bits = half ? exact_half(tensor.values[i]) : 0;
        std::memcpy(&data[i * (half ? 2 : 4)], half ? static_cast<const void*>(&bits) : &tensor.values[i],
                    half ? 2 : 4);
      }
      file.tensor(tensor.name, tensor.dimensions, half ? kF16 : kF32, std::move(data));
    }
    return file;
  }

  /// "<s>", then the bytes from 0 on.
  std::vector<std::string> token_texts() const {
    std::vector<std::string> texts{"<s>"};
    for (std::uint32_t id = 1; id < shape_.vocabulary; ++id) {
      char text[16];
      std::snprintf(text, sizeof text, id <= 256 ? "\\x%02x" : "more%u", id <= 256 ? id - 1 : id);
      texts.emplace_back(text);
    }
    return texts;
  }

 private:
  void add(const std::string& name, std::vector<std::uint64_t> dimensions, bool is_matrix, float low, float high) {
    std::uint64_t count = 1;
    for (const std::uint64_t dimension : dimensions) count *= dimension;
    std::vector<float> values(count);
    std::uniform_real_distribution<float> uniform(low, high);
    // Multiples of 2^-12 below 1/2 have 11 bits: exact as halves.
    for (float& value : values) value = std::round(uniform(random_) * 4096) / 4096;
    index_[name] = tensors_.size();
    tensors_.push_back({name, std::move(dimensions), is_matrix, std::move(values)});
  }
  void matrix(const std::string& name, std::vector<std::uint64_t> dimensions, float range = 0) {
    if (range == 0) range = std::min(0.49f, 1.7f / std::sqrt(static_cast<float>(dimensions[0])));
    add(name, std::move(dimensions), true, -range, range);
  }
  void vector(const std::string& name, float low, float high) { add(name, {shape_.width}, false, low, high); }
  void norm(const std::string& name) {
    vector(name + ".weight", 0.7f, 1.3f);
    vector(name + ".bias", -0.2f, 0.2f);
  }

  void add_layer(const std::string& prefix) {
    const std::uint64_t c = shape_.width;
    norm(prefix + "attn_norm");
    norm(prefix + "attn_norm_2");
    norm(prefix + "time_mix_ln");
    const std::string mix = prefix + "time_mix_";
    for (const char* name : {"key", "value", "receptance", "output"}) matrix(mix + name + ".weight", {c, c});
    vector(prefix + "channel_mix_lerp_k.weight", 0, 1);
    matrix(prefix + "channel_mix_key.weight", {c, shape_.feed_forward});
    matrix(prefix + "channel_mix_value.weight", {shape_.feed_forward, c});
    if (shape_.version == 7) {
      for (const char* letter : {"w", "a", "v"}) {
        vector(mix + letter + "0.weight", *letter == 'w' ? -6.0f : -1.0f, 1);
        matrix(mix + letter + "1.weight", {c, shape_.rank});
        matrix(mix + letter + "2.weight", {shape_.rank, c});
      }
      matrix(mix + "g1.weight", {c, shape_.rank});
      matrix(mix + "g2.weight", {shape_.rank, c});
      add(mix + "lerp_fused.weight", {c, 1, 1, 6}, false, 0, 1);
      vector(mix + "k_k.weight", 0.5f, 1.2f);
      vector(mix + "k_a.weight", 0.5f, 1.2f);
      vector(mix + "r_k.weight", -0.3f, 0.3f);
    } else {
      matrix(mix + "w1.weight", {c, shape_.rank * std::uint64_t{5}});
      matrix(mix + "w2.weight", {shape_.rank, c, 5});
      vector(mix + "lerp_x.weight", 0, 1);
      add(mix + "lerp_fused.weight", {c, 1, 1, 5}, false, 0, 1);
      add(mix + "first.weight", {shape_.head_size, c / shape_.head_size}, false, -0.5f, 0.5f);
      vector(mix + "decay.weight", -6, 0);
      matrix(mix + "decay_w1.weight", {c, shape_.rank});
      matrix(mix + "decay_w2.weight", {shape_.rank, c});
      matrix(mix + "gate.weight", {c, c});
      vector(prefix + "channel_mix_lerp_r.weight", 0, 1);
      matrix(prefix + "channel_mix_receptance.weight", {c, c});
    }
  }

  TinyShape shape_;
  std::mt19937 random_;
  std::vector<Tensor> tensors_;
  std::map<std::string, std::size_t> index_;
};

}  // namespace rwkv::test
