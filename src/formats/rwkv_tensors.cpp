#include "formats/rwkv_tensors.h"

#include <utility>

namespace rwkv {
namespace {

class List {
 public:
  void matrix(std::string name, std::vector<std::uint64_t> dimensions) {
    tensors.push_back({std::move(name), std::move(dimensions), true});
  }
  void vector(std::string name, std::vector<std::uint64_t> dimensions) {
    tensors.push_back({std::move(name), std::move(dimensions), false});
  }
  void norm(const std::string& name, std::uint64_t width) {
    vector(name + ".weight", {width});
    vector(name + ".bias", {width});
  }

  std::vector<ExpectedTensor> tensors;
};

void add_layer7(List& list, const RwkvGeometry& g, std::uint64_t layer, const std::string& prefix) {
  const std::uint64_t c = g.width;
  // Layer 0 has nothing to mix its value with; the file carries unused tensors of the learning rate's shape.
  const std::uint64_t value_rank = layer == 0 ? g.iclr_rank : g.value_rank;
  const std::pair<const char*, std::uint64_t> loras[] = {{"w", g.decay_rank}, {"a", g.iclr_rank}, {"v", value_rank}};
  for (const auto& [letter, rank] : loras) {
    const std::string mix = prefix + "time_mix_" + letter;
    list.vector(mix + "0.weight", {c});
    list.matrix(mix + "1.weight", {c, rank});
    list.matrix(mix + "2.weight", {rank, c});
  }
  list.matrix(prefix + "time_mix_g1.weight", {c, g.gate_rank});
  list.matrix(prefix + "time_mix_g2.weight", {g.gate_rank, c});
  list.vector(prefix + "time_mix_lerp_fused.weight", {c, 1, 1, 6});
  for (const char* name : {"k_k", "k_a", "r_k"}) list.vector(prefix + "time_mix_" + name + ".weight", {c});
}

void add_layer6(List& list, const RwkvGeometry& g, const std::string& prefix) {
  const std::uint64_t c = g.width;
  list.matrix(prefix + "time_mix_w1.weight", {c, g.mix_extra * 5});
  list.matrix(prefix + "time_mix_w2.weight", {g.mix_extra, c, 5});
  list.vector(prefix + "time_mix_lerp_x.weight", {c});
  if (g.fused_lerp) {
    list.vector(prefix + "time_mix_lerp_fused.weight", {c, 1, 1, 5});
  } else {
    for (const char* name : {"w", "k", "v", "r", "g"}) list.vector(prefix + "time_mix_lerp_" + name + ".weight", {c});
  }
  list.vector(prefix + "time_mix_first.weight", {g.head_size, c / g.head_size});
  list.vector(prefix + "time_mix_decay.weight", {c});
  list.matrix(prefix + "time_mix_decay_w1.weight", {c, g.decay_extra});
  list.matrix(prefix + "time_mix_decay_w2.weight", {g.decay_extra, c});
  list.matrix(prefix + "time_mix_gate.weight", {c, c});
  list.vector(prefix + "channel_mix_lerp_r.weight", {c});
  list.matrix(prefix + "channel_mix_receptance.weight", {c, c});
}

}  // namespace

std::vector<ExpectedTensor> expected_tensors(const RwkvGeometry& g) {
  List list;
  const std::uint64_t c = g.width;
  list.matrix("token_embd.weight", {c, g.vocabulary});
  list.norm("token_embd_norm", c);
  list.norm("output_norm", c);
  list.matrix("output.weight", {c, g.vocabulary});
  for (std::uint64_t layer = 0; layer < g.layers; ++layer) {
    const std::string prefix = "blk." + std::to_string(layer) + ".";
    list.norm(prefix + "attn_norm", c);
    list.norm(prefix + "attn_norm_2", c);
    if (g.version == 7) {
      add_layer7(list, g, layer, prefix);
    } else {
      add_layer6(list, g, prefix);
    }
    for (const char* name : {"key", "value", "receptance", "output"}) {
      list.matrix(prefix + "time_mix_" + name + ".weight", {c, c});
    }
    list.norm(prefix + "time_mix_ln", c);
    list.vector(prefix + "channel_mix_lerp_k.weight", {c});
    list.matrix(prefix + "channel_mix_key.weight", {c, g.feed_forward});
    list.matrix(prefix + "channel_mix_value.weight", {g.feed_forward, c});
  }
  return std::move(list.tensors);
}

}  // namespace rwkv
