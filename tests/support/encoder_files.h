// Small encoders with random weights whose rows fit the shipped model, and pictures and sound for them.
#pragma once

#include <cmath>
#include <cstdint>
#include <cstring>
#include <numeric>
#include <random>
#include <string>
#include <vector>

#include "support/gguf_writer.h"

namespace rwkv::test {

/// Adds a matrix or a vector of floats with small random values, around 1 where the name is a norm's weight.
inline void add_random(GgufWriter& file, const std::string& name, const std::vector<std::uint64_t>& dimensions,
                       float centre = 0) {
  std::mt19937 random(static_cast<unsigned>(file.tensors.size()) + 1);
  const std::uint64_t count =
      std::accumulate(dimensions.begin(), dimensions.end(), std::uint64_t{1}, std::multiplies<>());
  std::string data;
  for (std::uint64_t i = 0; i < count; ++i) {
    data += raw(centre + 0.2f * (static_cast<float>(random() % 2001) / 1000 - 1));
  }
  file.tensor(name, dimensions, 0, data);
}

inline void add_layer(GgufWriter& file, const std::string& name, std::uint64_t in, std::uint64_t out,
                      bool bias = true) {
  add_random(file, name + ".weight", {in, out});
  if (bias) add_random(file, name + ".bias", {out});
}

inline void add_norm(GgufWriter& file, const std::string& name, std::uint64_t width) {
  add_random(file, name + ".weight", {width}, 1);
  add_random(file, name + ".bias", {width});
}

/// SigLIP with its adapter in the form of 2025: 32 x 32 pixels, 16 rows a picture.
inline std::string vision_encoder_file(std::uint64_t row_width = 128) {
  constexpr std::uint64_t kWidth = 32;
  GgufWriter file;
  file.text("general.architecture", "clip").text("general.name", "random eyes");
  file.number<std::uint8_t>("clip.has_vision_encoder", GgufWriter::kBool, 1);
  file.number<std::uint8_t>("clip.has_rwkv_adapter", GgufWriter::kBool, 1);
  file.number<std::uint8_t>("clip.use_gelu", GgufWriter::kBool, 1);
  file.u32("clip.vision.image_size", 32).u32("clip.vision.patch_size", 8).u32("clip.vision.block_count", 1);
  file.u32("clip.vision.embedding_length", kWidth).u32("clip.vision.feed_forward_length", 64);
  file.u32("clip.vision.attention.head_count", 2).f32("clip.vision.attention.layer_norm_epsilon", 1e-6f);
  file.list<float>("clip.vision.image_mean", GgufWriter::kF32, {0.5f, 0.5f, 0.5f});
  file.list<float>("clip.vision.image_std", GgufWriter::kF32, {0.5f, 0.5f, 0.5f});
  add_random(file, "v.patch_embd.weight", {8, 8, 3, kWidth});
  add_random(file, "v.patch_embd.bias", {kWidth});
  add_random(file, "v.position_embd.weight", {kWidth, 16});
  add_norm(file, "v.blk.0.ln1", kWidth);
  add_norm(file, "v.blk.0.ln2", kWidth);
  for (const char* name : {"attn_q", "attn_k", "attn_v", "attn_out"}) {
    add_layer(file, "v.blk.0." + std::string(name), kWidth, kWidth);
  }
  add_layer(file, "v.blk.0.ffn_up", kWidth, 64);
  add_layer(file, "v.blk.0.ffn_down", 64, kWidth);
  add_norm(file, "v.post_ln", kWidth);
  add_layer(file, "rwkv_adapter.proj.0", kWidth, 64);
  add_layer(file, "rwkv_adapter.proj.2", 64, row_width);
  add_norm(file, "rwkv_adapter.pre_norm", row_width);
  return file.bytes();
}

/// Whisper with its adapter in our form: two seconds.
inline std::string audio_encoder_file(std::uint64_t row_width = 128) {
  constexpr std::uint64_t kWidth = 32;
  GgufWriter file;
  file.text("general.architecture", "whisper-rwkv").text("general.name", "random ears");
  file.u32("whisper.n_mels", 80).u32("whisper.audio_ctx", 100).u32("whisper.width", kWidth);
  file.u32("whisper.heads", 2).u32("whisper.layers", 1).u32("rwkv.adapter.stride", 2);
  file.u32("rwkv.adapter.padding", 1).u32("rwkv.adapter.hidden", 48);
  add_random(file, "encoder.conv1.weight", {3, 80, kWidth});
  add_random(file, "encoder.conv1.bias", {kWidth});
  add_random(file, "encoder.conv2.weight", {3, kWidth, kWidth});
  add_random(file, "encoder.conv2.bias", {kWidth});
  add_random(file, "encoder.positional_embedding", {kWidth, 100});
  add_norm(file, "encoder.blocks.0.attn_ln", kWidth);
  add_norm(file, "encoder.blocks.0.mlp_ln", kWidth);
  for (const char* name : {"query", "key", "value", "out"}) {
    add_layer(file, "encoder.blocks.0.attn." + std::string(name), kWidth, kWidth, std::string(name) != "key");
  }
  add_layer(file, "encoder.blocks.0.mlp.0", kWidth, 64);
  add_layer(file, "encoder.blocks.0.mlp.2", 64, kWidth);
  add_norm(file, "encoder.ln_post", kWidth);
  add_random(file, "rwkv.adapter.conv.weight", {3, kWidth, 48});
  add_random(file, "rwkv.adapter.conv.bias", {48});
  add_layer(file, "rwkv.adapter.proj.0", 48, 48);
  add_layer(file, "rwkv.adapter.proj.2", 48, row_width);
  return file.bytes();
}

/// A picture as the simplest of all formats has it; its colours depend on `seed`.
inline std::string ppm_picture(int width, int height, unsigned seed) {
  std::string bytes = "P6 " + std::to_string(width) + " " + std::to_string(height) + " 255\n";
  std::mt19937 random(seed);
  for (int i = 0; i < width * height * 3; ++i) bytes += static_cast<char>(random() % 256);
  return bytes;
}

/// A tone of one second at 16 kHz, 16 bit, mono.
inline std::string wav_tone(double hertz) {
  constexpr std::uint32_t kRate = 16000;
  constexpr std::uint32_t kBytes = kRate * 2;
  std::string bytes = "RIFF" + raw<std::uint32_t>(36 + kBytes) + "WAVEfmt " + raw<std::uint32_t>(16);
  bytes += raw<std::uint16_t>(1) + raw<std::uint16_t>(1) + raw(kRate) + raw(kRate * 2) + raw<std::uint16_t>(2);
  bytes += raw<std::uint16_t>(16) + "data" + raw(kBytes);
  for (std::uint32_t i = 0; i < kRate; ++i) {
    bytes += raw(static_cast<std::int16_t>(8000 * std::sin(6.283185307 * hertz * i / kRate)));
  }
  return bytes;
}

}  // namespace rwkv::test
