// Checkpoints by other names than the author's convert to the very bytes that the author's names give.
#include <gtest/gtest.h>

#include <functional>

#include "convert/convert.h"
#include "convert/random_checkpoint.h"
#include "support/tiny_model.h"

namespace rwkv::test {
namespace {

const std::filesystem::path kVocabulary =
    std::filesystem::path(RWKV_SOURCE_DIR) / "tests" / "data" / "convert" / "vocab.txt";

class WrappedNames : public testing::Test {
 protected:
  std::string path(const std::string& name) const { return (folder_.path() / name).string(); }

  /// The bytes of the GGUF and of the safetensors file that come of these bytes.
  std::pair<std::string, std::string> converted(const std::string& bytes, const std::string& ending) const {
    write_file(path("model" + ending), bytes);
    convert::GgufRequest request;
    request.source = path("model" + ending);
    request.output = path("out.gguf");
    request.vocabulary = kVocabulary.string();
    request.name = "model";
    request.format = convert::WeightFormat::kF32;
    convert::convert_to_gguf(request);
    convert::convert_to_safetensors(request.source, path("out.st"), {});
    return {read_file(path("out.gguf")), read_file(path("out.st"))};
  }
  auto converted(const RandomCheckpoint& checkpoint) const { return converted(checkpoint.bytes(), ".safetensors"); }

  void expect_refused(const RandomCheckpoint& checkpoint, const std::string& reason,
                      ErrorCode code = ErrorCode::kUnsupported) const {
    expect_error(code, reason, [&] { converted(checkpoint); });
  }

  ScratchFolder folder_;
};

RandomCheckpoint renamed(RandomCheckpoint checkpoint, const std::function<std::string(const std::string&)>& rename) {
  for (auto& tensor : checkpoint.tensors) tensor.name = rename(tensor.name);
  return checkpoint;
}

std::string transposed(const std::string& halves, std::uint64_t rows, std::uint64_t columns) {
  std::string out;
  for (std::uint64_t c = 0; c < columns; ++c) {
    for (std::uint64_t r = 0; r < rows; ++r) out += halves.substr((r * columns + c) * 2, 2);
  }
  return out;
}

std::string replaced(std::string text, const std::string& from, const std::string& to) {
  if (const std::size_t at = text.find(from); at != std::string::npos) text.replace(at, from.size(), to);
  return text;
}

// What flash-linear-attention's convert_from_rwkv7.py makes of a checkpoint.
RandomCheckpoint as_fla(RandomCheckpoint checkpoint) {
  const std::pair<const char*, const char*> kNames[] = {
      {"ln0.", "pre_norm."},          {"ln1.", "attn_norm."},         {"ln2.", "ffn_norm."},
      {"att.ln_x.", "attn.g_norm."},  {"att.key.", "attn.k_proj."},   {"att.receptance.", "attn.r_proj."},
      {"att.value.", "attn.v_proj."}, {"att.output.", "attn.o_proj."}};
  for (auto& tensor : checkpoint.tensors) {
    std::string& name = tensor.name;
    if (name == "emb.weight") name = "model.embeddings.weight";
    if (name == "head.weight") name = "lm_head.weight";
    name = replaced(name, "ln_out.", "model.norm.");
    if (!name.starts_with("blocks.")) continue;
    name = "model.layers." + name.substr(7);
    const std::size_t part = name.find("att.");
    if (part != std::string::npos && name.size() == part + 6) {  // w0, w1, w2
      const char letter = name[part + 4];
      const char number = name[part + 5];
      name = name.substr(0, part) + "attn." + letter + "_lora.lora." +
             (number == '0'   ? "2.bias"
              : number == '1' ? "0.weight"
                              : "2.weight");
      if (number == '0') {
        tensor.shape = {tensor.shape.back()};
      } else {
        tensor.data = transposed(tensor.data, tensor.shape[0], tensor.shape[1]);
        std::swap(tensor.shape[0], tensor.shape[1]);
      }
      continue;
    }
    for (const auto& [from, to] : kNames) name = replaced(name, from, to);
    name = replaced(name, ".att.", ".attn.");
    if (name.ends_with("k_k") || name.ends_with("k_a") || name.ends_with("ffn.x_k")) {
      tensor.shape = {tensor.shape.back()};
    }
  }
  return checkpoint;
}

TEST_F(WrappedNames, FlashLinearAttentionsRwkv7GivesTheAuthorsBytes) {
  for (const CheckpointShape& shape : {CheckpointShape{7, 3, 128, 32, 160, 40, 16},
                                       CheckpointShape{7, 1, 64, 64, 96, 40, 64}}) {  // with square matrices as well
    const RandomCheckpoint author(shape);
    const auto expected = converted(author);
    EXPECT_EQ(converted(as_fla(author)), expected);
    EXPECT_EQ(converted(renamed(as_fla(author), [](const std::string& name) { return "module." + name; })), expected);
    // The library's first version kept the six mixes of a layer in one tensor.
    RandomCheckpoint old = as_fla(author);
    for (std::uint64_t layer = 0; layer < shape.layers; ++layer) {
      const std::string attention = "model.layers." + std::to_string(layer) + ".attn.";
      RandomCheckpoint::Tensor all{attention + "x_x", {6, shape.width}, "F16", ""};
      for (const char* mix : {"x_r", "x_w", "x_k", "x_v", "x_a", "x_g"}) {
        all.data += old.find(attention + mix).data;
        old.remove(attention + mix);
      }
      old.tensors.push_back(all);
    }
    EXPECT_EQ(converted(old), expected);
  }
}

TEST_F(WrappedNames, TransformersRwkv6GivesTheAuthorsBytes) {
  const RandomCheckpoint author({6, 2, 64, 32, 96, 40, 8});
  const RandomCheckpoint other = renamed(author, [](std::string name) {
    if (name == "head.weight") return name;
    name = replaced(replaced(name, "emb.", "embeddings."), "ln0", "pre_ln");
    return "rwkv." + replaced(replaced(name, ".att.", ".attention."), ".ffn.", ".feed_forward.");
  });
  EXPECT_EQ(converted(other), converted(author));
}

TEST_F(WrappedNames, WhatWrappersPutIntoNamesMakesNoDifference) {
  for (const int version : {6, 7}) {
    const RandomCheckpoint author({version, 2, 64, 32, 96, 40, 8});
    const auto expected = converted(author);
    for (const char* prefix : {"module.", "_orig_mod.", "model.", "module._orig_mod.", "_forward_module.model.",
                               "base_model.model.", "something.of.theirs."}) {
      const auto before = [&](const std::string& name) { return prefix + name; };
      EXPECT_EQ(converted(renamed(author, before)), expected) << prefix;
    }
    const auto within = [](const std::string& name) { return replaced(name, ".att.", "._orig_mod.att."); };
    EXPECT_EQ(converted(renamed(author, within)), expected);
  }
}

TEST_F(WrappedNames, SeveralModelsOrOneTensorTwiceAreRefused) {
  RandomCheckpoint two = renamed(RandomCheckpoint({}), [](const std::string& name) { return "student." + name; });
  for (const auto& tensor :
       renamed(RandomCheckpoint({}), [](const std::string& n) { return "teacher." + n; }).tensors) {
    two.tensors.push_back(tensor);
  }
  expect_refused(two, "several models, 'student.' and 'teacher.'");
  RandomCheckpoint twice({});
  twice.tensors.push_back(twice.find("emb.weight"));
  twice.tensors.back().name = "_orig_mod.emb.weight";
  expect_refused(twice, "once more", ErrorCode::kBadFile);
}

TEST_F(WrappedNames, OtherModelsAreCalledByTheirNames) {
  const auto only = [](const std::vector<std::string>& names) {
    RandomCheckpoint checkpoint({});
    checkpoint.tensors.clear();
    for (const std::string& name : names) checkpoint.tensors.push_back({name, {1}, "F16", std::string(2, '\0')});
    return checkpoint;
  };
  const auto refused = [&](const std::vector<std::string>& names, const std::string& reason) {
    write_file(path("m.safetensors"), only(names).bytes());
    convert::GgufRequest request;
    request.source = path("m.safetensors");
    request.output = path("out.gguf");
    request.vocabulary = kVocabulary.string();
    expect_error(ErrorCode::kUnsupported, reason, [&] { convert::convert_to_gguf(request); });
  };
  refused({"emb.weight", "blocks.0.att.time_decay", "blocks.0.att.key.weight"}, "is RWKV-4");
  refused({"blocks.0.att.time_decay", "blocks.0.att.time_faaaa", "blocks.0.att.ln_x.weight"}, "is RWKV-5");
  refused({"blocks.0.att.time_state", "blocks.1.att.time_state"}, "tuned state");
  refused({"blocks.0.att.key.lora_A", "blocks.0.att.key.lora_B"}, "LoRA weights alone");
  refused({"model.layers.0.self_attn.q_proj.weight"}, "a transformer, not RWKV");
  refused({"model.layers.0.self_attn.receptance.weight"}, "hybrid");
}

TEST_F(WrappedNames, DoublesGiveTheModelThatTheirFloatsGive) {
  const RandomCheckpoint halves({7, 2, 64, 32, 96, 40, 8});
  RandomCheckpoint doubles = halves;
  for (auto& tensor : doubles.tensors) {
    std::string data;
    for (std::size_t i = 0; i < tensor.data.size(); i += 2) {
      std::uint16_t bits = 0;
      std::memcpy(&bits, tensor.data.data() + i, 2);
      data += raw(std::ldexp((bits & 0x8000) != 0 ? -1024.0 - (bits & 1023) : 1024.0 + (bits & 1023),
                             ((bits >> 10) & 31) - 25));
    }
    tensor.data = std::move(data);
    tensor.type = "F64";
  }
  EXPECT_EQ(converted(doubles), converted(halves));
}

TEST_F(WrappedNames, OnePartOfAModelIsCalledThat) {
  write_file(path("x-00001-of-00002.safetensors"), RandomCheckpoint({}).bytes());
  expect_error(ErrorCode::kUnsupported, "part 1 of 2 of a model",
               [&] { convert::convert_to_safetensors(path("x-00001-of-00002.safetensors"), path("out.st"), {}); });
  write_file(path("x-00001-of-00001.safetensors"), RandomCheckpoint({}).bytes());
  convert::convert_to_safetensors(path("x-00001-of-00001.safetensors"), path("out.st"), {});
}

}  // namespace
}  // namespace rwkv::test
