// Checkpoints of random weights as safetensors files, by the names and shapes of the models' author. Everything is
// public, so that a test can spoil it.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <random>
#include <string>
#include <vector>

#include "support/gguf_writer.h"

namespace rwkv::test {

struct CheckpointShape {
  int version = 7;
  std::uint64_t layers = 2;
  std::uint64_t width = 64;
  std::uint64_t head_size = 64;
  std::uint64_t feed_forward = 96;
  std::uint64_t vocabulary = 40;
  std::uint64_t rank = 8;
};

struct RandomCheckpoint {
  struct Tensor {
    std::string name;
    std::vector<std::uint64_t> shape;
    std::string type;  // of safetensors
    std::string data;
  };
  std::vector<Tensor> tensors;

  /// Values are halves.
  explicit RandomCheckpoint(const CheckpointShape& s, std::uint32_t seed = 1) : random_(seed) {
    const std::uint64_t c = s.width;
    add("emb.weight", {s.vocabulary, c});
    add_norm("blocks.0.ln0", c);
    for (std::uint64_t layer = 0; layer < s.layers; ++layer) {
      const std::string block = "blocks." + std::to_string(layer) + ".";
      for (const char* name : {"ln1", "ln2", "att.ln_x"}) add_norm(block + name, c);
      for (const char* name : {"receptance", "key", "value", "output"}) add(block + "att." + name + ".weight", {c, c});
      add(block + "ffn.key.weight", {s.feed_forward, c});
      add(block + "ffn.value.weight", {c, s.feed_forward});
      if (s.version == 7) {
        for (const char* name : {"x_r", "x_w", "x_k", "x_v", "x_a", "x_g", "k_k", "k_a"})
          add(block + "att." + name, {1, 1, c});
        for (const char* letter : {"w", "a", "v", "g"}) {
          const std::string name = block + "att." + letter;
          if (*letter == 'v' && layer == 0) continue;
          if (*letter != 'g') add(name + "0", {1, 1, c});
          add(name + "1", {c, s.rank});
          add(name + "2", {s.rank, c});
        }
        add(block + "att.r_k", {c / s.head_size, s.head_size});
        add(block + "ffn.x_k", {1, 1, c});
      } else {
        for (const char* name : {"x", "w", "k", "v", "r", "g"}) add(block + "att.time_maa_" + name, {1, 1, c});
        add(block + "att.time_maa_w1", {c, 5 * s.rank});
        add(block + "att.time_maa_w2", {5, s.rank, c});
        add(block + "att.time_decay", {1, 1, c});
        add(block + "att.time_decay_w1", {c, s.rank});
        add(block + "att.time_decay_w2", {s.rank, c});
        add(block + "att.time_faaaa", {c / s.head_size, s.head_size});
        add(block + "att.gate.weight", {c, c});
        for (const char* name : {"k", "r"}) add(block + "ffn.time_maa_" + name, {1, 1, c});
        add(block + "ffn.receptance.weight", {c, c});
      }
    }
    add_norm("ln_out", c);
    add("head.weight", {s.vocabulary, c});
  }

  Tensor& find(const std::string& name) {
    return *std::find_if(tensors.begin(), tensors.end(), [&](const Tensor& t) { return t.name == name; });
  }
  void remove(const std::string& name) {
    std::erase_if(tensors, [&](const Tensor& t) { return t.name == name; });
  }

  std::string header() const {
    std::string json = "{";
    std::uint64_t at = 0;
    for (const Tensor& tensor : tensors) {
      json += (json.size() > 1 ? ",\"" : "\"") + tensor.name + "\":{\"dtype\":\"" + tensor.type + "\",\"shape\":[";
      for (std::size_t i = 0; i < tensor.shape.size(); ++i)
        json += (i > 0 ? "," : "") + std::to_string(tensor.shape[i]);
      json += "],\"data_offsets\":[" + std::to_string(at) + "," + std::to_string(at + tensor.data.size()) + "]}";
      at += tensor.data.size();
    }
    json += "}";
    return raw<std::uint64_t>(json.size()) + json;
  }

  std::string bytes() const {
    std::string out = header();
    for (const Tensor& tensor : tensors) out += tensor.data;
    return out;
  }

 private:
  void add_norm(const std::string& name, std::uint64_t width) {
    add(name + ".weight", {width});
    add(name + ".bias", {width});
  }
  // Bits of halves between 2^-14 and 1, either sign: large and small ones alike.
  void add(const std::string& name, std::vector<std::uint64_t> shape) {
    std::uint64_t count = 1;
    for (const std::uint64_t size : shape) count *= size;
    std::string data;
    data.reserve(count * 2);
    for (std::uint64_t i = 0; i < count; ++i) {
      const std::uint32_t bits = static_cast<std::uint32_t>(random_());
      data += raw(static_cast<std::uint16_t>((bits & 0x8000u) | ((bits % (14u << 10)) + (1u << 10))));
    }
    tensors.push_back({name, std::move(shape), "F16", std::move(data)});
  }

  std::mt19937 random_;
};

/// A World vocabulary of `size` tokens with token 0, so of size - 1 lines.
inline std::string vocabulary_text(std::uint64_t size) {
  std::string text = "1 '\\n' 1\n";
  for (std::uint64_t id = 2; id < size; ++id) {
    const std::string word = "t" + std::to_string(id);
    text += std::to_string(id) + " '" + word + "' " + std::to_string(word.size()) + "\n";
  }
  return text;
}

}  // namespace rwkv::test
