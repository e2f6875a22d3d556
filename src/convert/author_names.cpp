// flash-linear-attention: fla/models/rwkv7 and utils/convert_from_rwkv7.py. transformers: models/rwkv and
// convert_rwkv_checkpoint_to_hf.py.
#include "convert/author_names.h"

#include <algorithm>
#include <array>
#include <optional>
#include <set>
#include <string_view>
#include <utility>
#include <vector>

#include "base/error.h"

namespace rwkv::convert {
namespace {

// Put into names, wherever the wrapped part stands: torch.compile, FSDP, activation checkpointing, DeepSpeed.
constexpr std::array<std::string_view, 4> kWrappers{"_orig_mod.", "_fsdp_wrapped_module.",
                                                    "_checkpoint_wrapped_module.", "_forward_module."};

std::string without_wrappers(std::string name) {
  for (const std::string_view wrapper : kWrappers) {
    for (std::size_t at = name.find(wrapper); at != std::string::npos; at = name.find(wrapper, at)) {
      if (at == 0 || name[at - 1] == '.') {
        name.erase(at, wrapper.size());
      } else {
        at += wrapper.size();
      }
    }
  }
  return name;
}

// Where a part of the name begins with `part`; npos when none does.
std::size_t find_part(std::string_view name, std::string_view part) {
  std::size_t at = name.find(part);
  while (at != std::string_view::npos && at > 0 && name[at - 1] != '.') at = name.find(part, at + 1);
  return at;
}

/// What stands before the first layer's names, the same for all.
std::string common_prefix(const WeightFile& weights) {
  std::set<std::string> prefixes;
  for (const auto& [full, tensor] : weights.tensors()) {
    const std::string name = without_wrappers(full);
    const std::size_t at = std::min(find_part(name, "blocks.0."), find_part(name, "layers.0."));
    if (at != std::string::npos) prefixes.insert(name.substr(0, at));
  }
  if (prefixes.empty() || prefixes.contains("")) return "";
  if (prefixes.size() > 1) {
    throw Error(ErrorCode::kUnsupported,
                "'" + weights.name() + "' holds several models, '" + prefixes.begin()->substr(0, 64) + "' and '" +
                    prefixes.rbegin()->substr(0, 64) + "' among them; save the one that is wanted by itself",
                weights.name());
  }
  return *prefixes.begin();
}

/// Heads stand beside the model inside the same wrappers: 'module.model.layers.0.' and 'module.lm_head.weight'.
std::string without_prefix(const std::string& name, const std::string& prefix) {
  if (name.starts_with(prefix)) return name.substr(prefix.size());
  const std::size_t dot = prefix.size() < 2 ? std::string::npos : prefix.rfind('.', prefix.size() - 2);
  const std::string outer = dot == std::string::npos ? std::string() : prefix.substr(0, dot + 1);
  return name.starts_with(outer) ? name.substr(outer.size()) : name;
}

struct LayerName {
  std::string layer;  // the number
  std::string rest;
};

std::optional<LayerName> split_layer(std::string_view name, std::string_view prefix) {
  if (!name.starts_with(prefix)) return std::nullopt;
  const std::size_t dot = name.find('.', prefix.size());
  if (dot == std::string_view::npos) return std::nullopt;
  return LayerName{std::string(name.substr(prefix.size(), dot - prefix.size())), std::string(name.substr(dot + 1))};
}

using Renaming = std::pair<std::string_view, std::string_view>;

constexpr std::array<Renaming, 4> kFlaGlobal{{{"embeddings.weight", "emb.weight"},
                                              {"norm.weight", "ln_out.weight"},
                                              {"norm.bias", "ln_out.bias"},
                                              {"lm_head.weight", "head.weight"}}};
constexpr std::array<Renaming, 9> kFlaLayer{{{"pre_norm.", "ln0."},
                                             {"attn_norm.", "ln1."},
                                             {"ffn_norm.", "ln2."},
                                             {"attn.g_norm.", "att.ln_x."},
                                             {"attn.r_proj.", "att.receptance."},
                                             {"attn.k_proj.", "att.key."},
                                             {"attn.v_proj.", "att.value."},
                                             {"attn.o_proj.", "att.output."},
                                             {"ffn.", "ffn."}}};
constexpr std::array<std::string_view, 9> kFlaVectors{"x_r", "x_w", "x_k", "x_v", "x_a", "x_g", "k_k", "k_a", "r_k"};
constexpr std::array<std::string_view, 6> kMixes{"x_r", "x_w", "x_k", "x_v", "x_a", "x_g"};  // in the order of 'x_x'

constexpr std::array<Renaming, 3> kTransformersLayer{
    {{"attention.", "att."}, {"feed_forward.", "ffn."}, {"pre_ln.", "ln0."}}};

template <std::size_t kSize>
std::string renamed(const std::array<Renaming, kSize>& names, const std::string& name) {
  for (const auto& [from, to] : names) {
    if (name.starts_with(from)) return std::string(to) + name.substr(from.size());
  }
  return {};
}

/// A linear layer has [out, in] where the author multiplies from the other side.
WeightTensor transposed(WeightTensor tensor) {
  if (tensor.shape.size() == 2) {
    std::swap(tensor.shape[0], tensor.shape[1]);
    std::swap(tensor.strides[0], tensor.strides[1]);
  }
  return tensor;
}

/// The author keeps vectors of the mixing as [1, 1, C].
WeightTensor as_vector(WeightTensor tensor) {
  if (tensor.shape.size() == 1) {
    const std::uint64_t width = tensor.shape[0];
    tensor.shape = {1, 1, width};
    tensor.strides = {width, width, tensor.strides[0]};
  }
  return tensor;
}

class Renamer {
 public:
  explicit Renamer(const WeightFile& weights)
      : weights_(weights), reader_({}, weights.name()), result_(weights.name()), prefix_(common_prefix(weights)) {}

  WeightFile run() {
    const bool fla = has("layers.0.attn.r_k");
    const bool transformers = has("blocks.0.attention.time_maa_x");
    for (const auto& [full, tensor] : weights_.tensors()) {
      const std::string name = short_name(full);
      const bool known = fla ? add_fla(name, tensor) : transformers ? add_transformers(name, tensor) : false;
      if (!known) add(fla || transformers ? full : name, tensor);
    }
    result_.set_storages(weights_.storages());
    return std::move(result_);
  }

 private:
  std::string short_name(const std::string& full) const { return without_prefix(without_wrappers(full), prefix_); }

  bool has(std::string_view name) const {
    return std::any_of(weights_.tensors().begin(), weights_.tensors().end(),
                       [&](const auto& entry) { return short_name(entry.first) == name; });
  }

  bool add(std::string name, WeightTensor tensor) {
    if (result_.find(name) != nullptr) {
      throw Error(ErrorCode::kBadFile,
                  "'" + weights_.name() + "': '" + tensor.name.substr(0, 256) + "' is the tensor '" +
                      name.substr(0, 256) + "' once more",
                  weights_.name());
    }
    tensor.name = std::move(name);
    result_.add(reader_, std::move(tensor));
    return true;
  }

  bool add_transformers(const std::string& name, const WeightTensor& tensor) {
    if (name == "embeddings.weight") return add("emb.weight", tensor);
    const auto layer = split_layer(name, "blocks.");
    if (!layer) return (name.starts_with("ln_out.") || name == "head.weight") && add(name, tensor);
    const std::string rest = renamed(kTransformersLayer, layer->rest);
    return add("blocks." + layer->layer + "." + (rest.empty() ? layer->rest : rest), tensor);
  }

  bool add_fla(const std::string& name, const WeightTensor& tensor) {
    if (const std::string global = renamed(kFlaGlobal, name); !global.empty()) return add(global, tensor);
    const auto layer = split_layer(name, "layers.");
    if (!layer) return false;
    const std::string block = "blocks." + layer->layer + ".";
    const std::string& rest = layer->rest;
    if (rest == "ffn.x_k") return add(block + rest, as_vector(tensor));
    if (const std::string same = renamed(kFlaLayer, rest); !same.empty()) return add(block + same, tensor);
    if (!rest.starts_with("attn.")) return false;
    const std::string part = rest.substr(5);
    if (std::find(kFlaVectors.begin(), kFlaVectors.end(), part) != kFlaVectors.end()) {
      return add(block + "att." + part, part == "r_k" ? tensor : as_vector(tensor));
    }
    if (part == "x_x") return add_mixes(block, tensor);
    // 'w_lora.lora.0.weight' and 'w_lora.lora.2.weight' are w1 and w2, 'w_lora.lora.2.bias' is w0.
    if (part.empty() || std::string_view("wavg").find(part[0]) == std::string_view::npos) return false;
    const std::string letter = block + "att." + part[0];
    const std::string_view ending = std::string_view(part).substr(1);
    if (ending == "_lora.lora.0.weight") return add(letter + "1", transposed(tensor));
    if (ending == "_lora.lora.2.weight") return add(letter + "2", transposed(tensor));
    if (ending == "_lora.lora.2.bias") return add(letter + "0", as_vector(tensor));
    return false;
  }

  // Files of the library's first version have the six in one tensor.
  bool add_mixes(const std::string& block, const WeightTensor& tensor) {
    if (tensor.shape.size() < 2 || tensor.shape[0] != kMixes.size() || tensor.elements == 0) return false;
    for (std::size_t i = 0; i < kMixes.size(); ++i) {
      WeightTensor mix = tensor;
      mix.shape = {1, 1, tensor.elements / kMixes.size()};
      mix.strides = {mix.shape[2], mix.shape[2], tensor.strides.back()};
      mix.elements = mix.shape[2];
      if (tensor.shape.back() != mix.elements) return false;
      mix.data = tensor.data.subspan(static_cast<std::size_t>(i * tensor.strides[0]) * data_type_bytes(tensor.type));
      add(block + "att." + std::string(kMixes[i]), std::move(mix));
    }
    return true;
  }

  const WeightFile& weights_;
  const ByteReader reader_;
  WeightFile result_;
  const std::string prefix_;
};

}  // namespace

WeightFile with_author_names(const WeightFile& weights) { return Renamer(weights).run(); }

std::string other_checkpoint(const WeightFile& weights) {
  const auto any = [&](std::string_view part) {
    return std::any_of(weights.tensors().begin(), weights.tensors().end(),
                       [&](const auto& entry) { return entry.first.find(part) != std::string::npos; });
  };
  if (any(".time_state") && !any(".key.weight")) {
    return "is a tuned state (initial state), not a model; load it beside its model instead of converting it";
  }
  if ((any("lora_A") || any("lora_B") || any("lora.0") || any("lora.1")) && !any("emb.weight") && !any("embed")) {
    return "holds LoRA weights alone; merge them into their model first";
  }
  if (any("self_attn.") && (any("self_attn.receptance") || any("self_attn.w1") || any("self_attn.r_proj"))) {
    return "is a hybrid of RWKV and a transformer (QRWKV, ARWKV), which cannot be converted";
  }
  if (any("self_attn.")) return "is a transformer, not RWKV";
  if (any("attn.x_proj")) {
    return "is RWKV-6 by the names of flash-linear-attention; convert the author's .pth or the Hugging Face form of "
           "transformers instead";
  }
  if (any("time_maa") || any("time_mix_w1")) return "";  // RWKV-6, but not all of it
  if (any(".time_decay") && any(".ln_x.")) return "is RWKV-5; RWKV-6 and RWKV-7 can be converted";
  if (any(".time_decay")) return "is RWKV-4; RWKV-6 and RWKV-7 can be converted";
  return "";
}

}  // namespace rwkv::convert
