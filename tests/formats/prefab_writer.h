// Writes web-rwkv's .prefab for tests, from that library's description and without a line of the reader.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "convert/random_checkpoint.h"

namespace rwkv::test {

inline std::string cbor_head(int major, std::uint64_t value) {
  const auto first = [&](int info) { return std::string(1, static_cast<char>(major << 5 | info)); };
  const auto big_endian = [&](int bytes) {
    std::string text;
    for (int i = bytes; i-- > 0;) text += static_cast<char>(value >> (8 * i) & 255);
    return text;
  };
  if (value < 24) return first(static_cast<int>(value));
  if (value < 256) return first(24) + big_endian(1);
  if (value < 65536) return first(25) + big_endian(2);
  return first(26) + big_endian(4);
}
inline std::string cbor_number(std::uint64_t value) { return cbor_head(0, value); }
inline std::string cbor_bytes(const std::string& bytes) { return cbor_head(2, bytes.size()) + bytes; }
inline std::string cbor_text(const std::string& text) { return cbor_head(3, text.size()) + text; }
inline std::string cbor_map(const std::vector<std::pair<std::string, std::string>>& entries) {
  std::string out = cbor_head(5, entries.size());
  for (const auto& [key, value] : entries) out += cbor_text(key) + value;
  return out;
}

/// `shape` has the slowest dimension first, as checkpoints write it.
inline std::string prefab_tensor(std::vector<std::uint64_t> shape, const std::string& data) {
  std::string list = cbor_head(4, 4);
  for (std::size_t i = 0; i < 4; ++i) list += cbor_number(i < shape.size() ? shape[shape.size() - 1 - i] : 1);
  return cbor_map({{"shape", list}, {"data", cbor_bytes(data)}});
}

/// A matrix of `shape` by its name in the author's checkpoint. Empty: in halves.
using PrefabMatrix = std::function<std::string(const std::string& name, const std::vector<std::uint64_t>& shape)>;

/// What web-rwkv makes of a checkpoint of RWKV-7, whose vocabulary it fills up to a multiple of 8.
inline std::string prefab(RandomCheckpoint checkpoint, const CheckpointShape& s, const PrefabMatrix& quantised = {},
                          const std::string& version = "V7", std::uint64_t rescale = 1024) {
  const auto vector = [&](const std::string& name) {
    const auto& tensor = checkpoint.find(name);
    return prefab_tensor({tensor.shape.back()}, tensor.data);
  };
  const auto norm = [&](const std::string& name) {
    return cbor_map({{"w", vector(name + ".weight")}, {"b", vector(name + ".bias")}});
  };
  const auto padded = [&](const std::string& name) {
    const auto& tensor = checkpoint.find(name);
    const std::uint64_t rows = (s.vocabulary + 7) / 8 * 8;
    return prefab_tensor({rows, s.width}, tensor.data + std::string((rows - s.vocabulary) * s.width * 2, '\0'));
  };
  const auto matrix = [&](const std::string& name) {
    const auto& tensor = checkpoint.find(name);
    const std::string packed = quantised ? quantised(name, tensor.shape) : "";
    return packed.empty() ? cbor_map({{"Fp16", prefab_tensor(tensor.shape, tensor.data)}}) : packed;
  };
  // These stand the other way round.
  const auto low_rank = [&](const std::string& name) {
    const auto& tensor = checkpoint.find(name);
    std::string data;
    for (std::uint64_t c = 0; c < tensor.shape[1]; ++c) {
      for (std::uint64_t r = 0; r < tensor.shape[0]; ++r) data += tensor.data.substr((r * tensor.shape[1] + c) * 2, 2);
    }
    return cbor_map({{"Fp16", prefab_tensor({tensor.shape[1], tensor.shape[0]}, data)}});
  };
  std::string layers = cbor_head(4, s.layers);
  for (std::uint64_t layer = 0; layer < s.layers; ++layer) {
    const std::string block = "blocks." + std::to_string(layer) + ".";
    const std::string att = block + "att.";
    // The first layer mixes no values: copies of another matrix stand there.
    const std::string v = att + (layer == 0 ? "a" : "v");
    std::vector<std::pair<std::string, std::string>> of_att;
    for (const char* name : {"x_r", "x_w", "x_k", "x_v", "x_a", "x_g", "w0", "a0"})
      of_att.emplace_back(name, vector(att + name));
    of_att.emplace_back("v0", vector(v + "0"));
    for (const char* name : {"w1", "w2", "a1", "a2", "g1", "g2"}) of_att.emplace_back(name, low_rank(att + name));
    of_att.emplace_back("v1", low_rank(v + "1"));
    of_att.emplace_back("v2", low_rank(v + "2"));
    const auto& r_k = checkpoint.find(att + "r_k");
    of_att.emplace_back("r_k", prefab_tensor(r_k.shape, r_k.data));
    for (const char* name : {"k_k", "k_a"}) of_att.emplace_back(name, vector(att + name));
    of_att.emplace_back("w_k", matrix(att + "key.weight"));
    of_att.emplace_back("w_v", matrix(att + "value.weight"));
    of_att.emplace_back("w_r", matrix(att + "receptance.weight"));
    of_att.emplace_back("w_o", matrix(att + "output.weight"));
    of_att.emplace_back("gn", norm(att + "ln_x"));
    layers += cbor_map({{"att_ln", norm(block + "ln1")},
                        {"ffn_ln", norm(block + "ln2")},
                        {"att", cbor_map(of_att)},
                        {"ffn", cbor_map({{"x_k", vector(block + "ffn.x_k")},
                                          {"w_k", matrix(block + "ffn.key.weight")},
                                          {"w_v", matrix(block + "ffn.value.weight")}})}});
  }
  const std::string custom = cbor_map({{"V7", cbor_map({{"w", cbor_number(s.rank)},
                                                        {"a", cbor_number(s.rank)},
                                                        {"g", cbor_number(s.rank)},
                                                        {"v", cbor_number(s.rank)}})}});
  const std::string info = cbor_map({{"version", cbor_text(version)},
                                     {"num_layer", cbor_number(s.layers)},
                                     {"num_emb", cbor_number(s.width)},
                                     {"num_hidden", cbor_number(s.feed_forward)},
                                     {"num_vocab", cbor_number(s.vocabulary)},
                                     {"num_head", cbor_number(s.width / s.head_size)},
                                     {"custom", custom}});
  const std::string tensor =
      cbor_map({{"embed", cbor_map({{"ln", norm("blocks.0.ln0")}, {"w", padded("emb.weight")}})},
                {"head", cbor_map({{"ln", norm("ln_out")}, {"w", cbor_map({{"Fp16", padded("head.weight")}})}})},
                {"layers", layers}});
  return cbor_map({{"context", cbor_head(4, 0)},
                   {"info", info},
                   {"rescale", cbor_number(rescale)},
                   {"sep", cbor_number(1024)},
                   {"tensor", tensor}});
}

}  // namespace rwkv::test
