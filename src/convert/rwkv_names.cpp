#include "convert/rwkv_names.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <stdexcept>
#include <string_view>
#include <utility>

#include "base/error.h"

namespace rwkv::convert {
namespace {

struct Name {
  std::string_view gguf;    // after "blk.N.", without ".weight" where the checkpoint's name has no ending either
  std::string_view source;  // after "blocks.N."
};

constexpr std::array kGlobal{
    Name{"token_embd.weight", "emb.weight"},           Name{"token_embd_norm.weight", "blocks.0.ln0.weight"},
    Name{"token_embd_norm.bias", "blocks.0.ln0.bias"}, Name{"output_norm.weight", "ln_out.weight"},
    Name{"output_norm.bias", "ln_out.bias"},           Name{"output.weight", "head.weight"},
};

constexpr std::array kBoth{
    Name{"attn_norm.weight", "ln1.weight"},
    Name{"attn_norm.bias", "ln1.bias"},
    Name{"attn_norm_2.weight", "ln2.weight"},
    Name{"attn_norm_2.bias", "ln2.bias"},
    Name{"time_mix_ln.weight", "att.ln_x.weight"},
    Name{"time_mix_ln.bias", "att.ln_x.bias"},
    Name{"time_mix_receptance.weight", "att.receptance.weight"},
    Name{"time_mix_key.weight", "att.key.weight"},
    Name{"time_mix_value.weight", "att.value.weight"},
    Name{"time_mix_output.weight", "att.output.weight"},
    Name{"channel_mix_key.weight", "ffn.key.weight"},
    Name{"channel_mix_value.weight", "ffn.value.weight"},
};

constexpr std::array kVersion6{
    Name{"time_mix_gate.weight", "att.gate.weight"},
    Name{"time_mix_lerp_x.weight", "att.time_maa_x"},
    Name{"time_mix_w1.weight", "att.time_maa_w1"},
    Name{"time_mix_w2.weight", "att.time_maa_w2"},
    Name{"time_mix_first.weight", "att.time_faaaa"},
    Name{"time_mix_decay.weight", "att.time_decay"},
    Name{"time_mix_decay_w1.weight", "att.time_decay_w1"},
    Name{"time_mix_decay_w2.weight", "att.time_decay_w2"},
    Name{"channel_mix_receptance.weight", "ffn.receptance.weight"},
    Name{"channel_mix_lerp_k.weight", "ffn.time_maa_k"},
    Name{"channel_mix_lerp_r.weight", "ffn.time_maa_r"},
};

// Parts of "time_mix_lerp_fused" in its order.
constexpr std::array<std::string_view, 6> kLerp7{"att.x_r", "att.x_w", "att.x_k", "att.x_v", "att.x_a", "att.x_g"};
constexpr std::array<std::string_view, 5> kLerp6{"att.time_maa_w", "att.time_maa_k", "att.time_maa_v", "att.time_maa_r",
                                                 "att.time_maa_g"};

template <std::size_t kSize>
std::string_view find(const std::array<Name, kSize>& names, std::string_view gguf) {
  const auto it = std::find_if(names.begin(), names.end(), [&](const Name& name) { return name.gguf == gguf; });
  return it == names.end() ? std::string_view() : it->source;
}

// RWKV-7 names that only lose an ending: "time_mix_w1.weight" is "att.w1".
std::string source7(std::string_view rest) {
  constexpr std::string_view kPrefix = "time_mix_";
  constexpr std::string_view kEnding = ".weight";
  if (rest == "channel_mix_lerp_k.weight") return "ffn.x_k";
  return "att." + std::string(rest.substr(kPrefix.size(), rest.size() - kPrefix.size() - kEnding.size()));
}

bool is_low_rank(std::string_view name) { return name.ends_with("1.weight") || name.ends_with("2.weight"); }

}  // namespace

RwkvSource rwkv_source(const std::string& gguf_name, int version) {
  RwkvSource source;
  if (const std::string_view name = find(kGlobal, gguf_name); !name.empty()) {
    source.names.emplace_back(name);
    return source;
  }
  constexpr std::string_view kBlock = "blk.";
  const std::size_t dot = gguf_name.find('.', kBlock.size());
  if (!gguf_name.starts_with(kBlock) || dot == std::string::npos) {
    throw Error(ErrorCode::kInternal, "no source is known for tensor '" + gguf_name + "'");
  }
  std::from_chars(gguf_name.data() + kBlock.size(), gguf_name.data() + dot, source.layer);
  const std::string_view rest = std::string_view(gguf_name).substr(dot + 1);
  const std::string prefix = "blocks." + std::to_string(source.layer) + ".";
  const auto add = [&](std::string_view name) { source.names.push_back(prefix + std::string(name)); };

  if (rest == "time_mix_lerp_fused.weight") {
    if (version == 7) {
      for (const std::string_view name : kLerp7) add(name);
    } else {
      for (const std::string_view name : kLerp6) add(name);
    }
    return source;
  }
  source.rescaled = version == 6 && (rest == "time_mix_output.weight" || rest == "channel_mix_value.weight");
  source.transposed = rest.starts_with("time_mix_") && is_low_rank(rest);
  if (const std::string_view same = find(kBoth, rest); !same.empty()) {
    add(same);
  } else if (version == 6) {
    add(find(kVersion6, rest));
  } else {
    std::string name = source7(rest);
    // The first layer's value residual stands in for nothing; engines want it there, in the shape of the learning
    // rate's.
    if (source.layer == 0 && name.starts_with("att.v") && name.size() == 6) name[4] = 'a';
    add(name);
  }
  return source;
}

std::string safetensors_name(std::string name) {
  constexpr std::array<std::pair<std::string_view, std::string_view>, 4> kReplaced{
      {{"time_faaaa", "time_first"}, {"time_maa", "time_mix"}, {"lora_A", "lora.0"}, {"lora_B", "lora.1"}}};
  for (const auto& [from, to] : kReplaced) {
    for (std::size_t at = name.find(from); at != std::string::npos; at = name.find(from, at + to.size())) {
      name.replace(at, from.size(), to);
    }
  }
  for (char& letter : name) {
    if (letter >= 'A' && letter <= 'Z') letter = static_cast<char>(letter - 'A' + 'a');
  }
  return name;
}

bool safetensors_transposes(const std::string& safetensors_name) {
  constexpr std::array<std::string_view, 10> kParts{"w1", "w2", "a1", "a2",         "g1",
                                                    "g2", "v1", "v2", "time_state", "lora.0"};
  return std::any_of(kParts.begin(), kParts.end(),
                     [&](std::string_view part) { return safetensors_name.find(part) != std::string::npos; });
}

}  // namespace rwkv::convert
