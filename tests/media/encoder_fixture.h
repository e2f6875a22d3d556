// The random encoders of tests/data/encoders (tools/reference/encoders.py) as GGUF files, by the names and keys that
// their formats describe.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include "base/mapped_file.h"
#include "formats/floats.h"
#include "formats/safetensors.h"
#include "support/gguf_writer.h"
#include "support/scratch.h"

namespace rwkv::test {

class EncoderFixture {
 public:
  /// A file in tests/data/encoders, or another by its whole path.
  explicit EncoderFixture(const std::string& name)
      : file_((std::filesystem::path(RWKV_SOURCE_DIR) / "tests/data/encoders" / name).string()),
        weights_(parse_safetensors(file_.bytes(), file_.path())) {}

  const WeightFile& weights() const { return weights_; }
  std::vector<float> values(const std::string& name) const {
    const WeightTensor* tensor = weights_.find(name);
    if (tensor == nullptr) throw Error(ErrorCode::kInternal, "no tensor " + name);
    std::vector<float> values(static_cast<std::size_t>(tensor->elements));
    decode_floats(tensor->type, tensor->data.data(), values);
    return values;
  }
  std::vector<std::uint64_t> dimensions(const std::string& name) const {
    std::vector<std::uint64_t> dimensions = weights_.find(name)->shape;
    std::reverse(dimensions.begin(), dimensions.end());
    return dimensions;
  }

 private:
  MappedFile file_;
  WeightFile weights_;
};

/// Ids of tensor types in files.
enum : std::uint32_t { kTypeF32 = 0, kTypeF16 = 1 };

inline void put(GgufWriter& file, const EncoderFixture& from, const std::string& source, const std::string& name,
                std::uint32_t type) {
  const std::vector<float> values = from.values(source);
  std::string data(values.size() * (type == kTypeF16 ? 2 : 4), '\0');
  if (type == kTypeF16) {
    encode_halves(values, reinterpret_cast<std::byte*>(data.data()));
  } else {
    std::memcpy(data.data(), values.data(), data.size());
  }
  file.tensor(name, from.dimensions(source), type, data);
}

inline void put_both(GgufWriter& file, const EncoderFixture& from, const std::string& source, const std::string& name,
                     std::uint32_t type) {
  put(file, from, source + ".weight", name + ".weight", type);
  if (from.weights().find(source + ".bias")) put(file, from, source + ".bias", name + ".bias", kTypeF32);
}

/// The 2025 form of an encoder without an adapter. `swapped`: as some converters name the feed-forward network.
inline GgufWriter siglip_gguf(const EncoderFixture& from, std::uint32_t type, bool swapped = false) {
  GgufWriter file;
  file.text("general.architecture", "clip").text("general.name", "fixture");
  file.number<std::uint8_t>("clip.has_vision_encoder", GgufWriter::kBool, 1);
  file.number<std::uint8_t>("clip.use_gelu", GgufWriter::kBool, 1);
  file.u32("clip.vision.image_size", 64).u32("clip.vision.patch_size", 8).u32("clip.vision.block_count", 2);
  file.u32("clip.vision.embedding_length", 48).u32("clip.vision.feed_forward_length", 64);
  file.u32("clip.vision.attention.head_count", 3).f32("clip.vision.attention.layer_norm_epsilon", 1e-6f);
  file.list<float>("clip.vision.image_mean", GgufWriter::kF32, {0.5f, 0.5f, 0.5f});
  file.list<float>("clip.vision.image_std", GgufWriter::kF32, {0.5f, 0.5f, 0.5f});
  const std::string model = "vision_model.";
  put_both(file, from, model + "embeddings.patch_embedding", "v.patch_embd", type);
  put(file, from, model + "embeddings.position_embedding.weight", "v.position_embd.weight", type);
  for (const std::string layer : {"0", "1"}) {
    const std::string source = model + "encoder.layers." + layer + ".";
    const std::string name = "v.blk." + layer + ".";
    put_both(file, from, source + "layer_norm1", name + "ln1", kTypeF32);
    put_both(file, from, source + "layer_norm2", name + "ln2", kTypeF32);
    put_both(file, from, source + "self_attn.q_proj", name + "attn_q", type);
    put_both(file, from, source + "self_attn.k_proj", name + "attn_k", type);
    put_both(file, from, source + "self_attn.v_proj", name + "attn_v", type);
    put_both(file, from, source + "self_attn.out_proj", name + "attn_out", type);
    put_both(file, from, source + "mlp.fc1", name + (swapped ? "ffn_down" : "ffn_up"), type);
    put_both(file, from, source + "mlp.fc2", name + (swapped ? "ffn_up" : "ffn_down"), type);
  }
  put_both(file, from, model + "post_layernorm", "v.post_ln", kTypeF32);
  return file;
}

/// Adds the tensors of an adapter, by the key `expected.KIND` of its results.
inline void add_vision_adapter(GgufWriter& file, const EncoderFixture& from, const std::string& kind,
                               std::uint32_t type) {
  file.number<std::uint8_t>("clip.has_rwkv_adapter", GgufWriter::kBool, 1);
  if (kind == "siglip2") {
    put(file, from, "proj.proj.weight", "rwkv_adapter.proj.weight", type);
    return;
  }
  if (kind == "siglip_conv") put(file, from, "proj.conv3.weight", "rwkv_adapter.conv.weight", type);
  if (kind == "auto_siglip2") put(file, from, "proj.conv.weight", "rwkv_adapter.conv.weight", type);
  put_both(file, from, "proj.mlp.0", "rwkv_adapter.proj.0", type);
  put_both(file, from, "proj.mlp.2", "rwkv_adapter.proj.2", type);
  put_both(file, from, "proj.pre_norm", "rwkv_adapter.pre_norm", kTypeF32);
}

/// A Whisper encoder's tensors by whisper.cpp's names, each with the fixture's.
inline std::vector<std::pair<std::string, std::string>> whisper_names() {
  std::vector<std::pair<std::string, std::string>> names;
  const auto both = [&](const std::string& name, const std::string& source) {
    names.emplace_back(name + ".weight", source + ".weight");
    names.emplace_back(name + ".bias", source + ".bias");
  };
  const std::string model = "model.encoder.";
  both("encoder.conv1", model + "conv1");
  both("encoder.conv2", model + "conv2");
  names.emplace_back("encoder.positional_embedding", model + "embed_positions.weight");
  for (const std::string number : {"0", "1"}) {
    const std::string layer = "encoder.blocks." + number + ".";
    const std::string source = model + "layers." + number + ".";
    both(layer + "attn_ln", source + "self_attn_layer_norm");
    both(layer + "attn.query", source + "self_attn.q_proj");
    names.emplace_back(layer + "attn.key.weight", source + "self_attn.k_proj.weight");
    both(layer + "attn.value", source + "self_attn.v_proj");
    both(layer + "attn.out", source + "self_attn.out_proj");
    both(layer + "mlp_ln", source + "final_layer_norm");
    both(layer + "mlp.0", source + "fc1");
    both(layer + "mlp.2", source + "fc2");
  }
  both("encoder.ln_post", model + "layer_norm");
  both("rwkv.adapter.conv", "proj.conv");
  both("rwkv.adapter.proj.0", "proj.proj.0");
  both("rwkv.adapter.proj.2", "proj.proj.2");
  return names;
}

/// The type of a matrix; all else is floats.
inline std::uint32_t type_of(const EncoderFixture& from, const std::string& source, std::uint32_t matrices) {
  return from.dimensions(source).size() > 1 && !source.ends_with("embed_positions.weight") ? matrices : kTypeF32;
}

/// Our form.
inline GgufWriter whisper_gguf(const EncoderFixture& from, std::uint32_t type, std::uint32_t stride,
                               std::uint32_t padding) {
  GgufWriter file;
  file.text("general.architecture", "whisper-rwkv").text("general.name", "fixture");
  file.u32("whisper.n_mels", 80).u32("whisper.audio_ctx", 100).u32("whisper.width", 48);
  file.u32("whisper.heads", 3).u32("whisper.layers", 2).u32("rwkv.adapter.stride", stride);
  file.u32("rwkv.adapter.padding", padding).u32("rwkv.adapter.hidden", 64);
  for (const auto& [name, source] : whisper_names()) put(file, from, source, name, type_of(from, source, type));
  return file;
}

/// whisper.cpp's file with two header fields more, by the description of its format.
inline std::string whisper_ggml(const EncoderFixture& from, std::uint32_t type) {
  std::string out = raw<std::uint32_t>(0x67676d6c);
  for (const std::int32_t value : {3, 100, 48, 3, 2, 448, 48, 3, 2, 80, 32, 64, 1}) out += raw(value);
  out += raw<std::int32_t>(80) + raw<std::int32_t>(201) + std::string(80 * 201 * 4, '\0');
  out += raw<std::int32_t>(3);
  for (const std::string word : {"a", "bc", "def"}) {
    out += raw(static_cast<std::uint32_t>(word.size())) + word;
  }
  for (const auto& [name, source] : whisper_names()) {
    GgufWriter one;
    put(one, from, source, name, type_of(from, source, type));
    const GgufWriter::Tensor& tensor = one.tensors.front();
    out += raw(static_cast<std::int32_t>(tensor.dimensions.size())) + raw(static_cast<std::int32_t>(name.size()));
    out += raw(tensor.type);
    for (const std::uint64_t size : tensor.dimensions) out += raw(static_cast<std::int32_t>(size));
    out += name + tensor.data;
  }
  return out;
}

inline double largest_difference(std::span<const float> a, std::span<const float> b) {
  EXPECT_EQ(a.size(), b.size());
  double largest = 0;
  for (std::size_t i = 0; i < std::min(a.size(), b.size()); ++i) {
    const double difference = std::abs(static_cast<double>(a[i]) - static_cast<double>(b[i]));
    largest = std::isfinite(difference) ? std::max(largest, difference) : 1e30;
  }
  return largest;
}

}  // namespace rwkv::test
