// Encoders of transformers and ModRWKV become GGUF files with every tensor as it was.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <filesystem>

#include "convert/convert.h"
#include "formats/floats.h"
#include "formats/gguf.h"
#include "formats/safetensors.h"
#include "support/gguf_writer.h"
#include "support/refusal.h"
#include "support/scratch.h"

namespace rwkv::test {
namespace {

using convert::EncoderKind;
using convert::EncoderRequest;
using convert::WeightFormat;

const std::filesystem::path kFixtures = std::filesystem::path(RWKV_SOURCE_DIR) / "tests/data/encoders";

struct Tensor {
  std::string name;
  std::vector<std::uint64_t> shape;
  std::string data;  // halves
};

// The fixture's weights, which are halves, to be written again under other names.
std::vector<Tensor> tensors_of(const std::string& fixture) {
  const MappedFile file((kFixtures / fixture).string());
  std::vector<Tensor> tensors;
  const WeightFile weights = parse_safetensors(file.bytes(), file.path());
  for (const auto& [name, tensor] : weights.tensors()) {
    if (name.starts_with("expected.")) continue;
    tensors.push_back({name, tensor.shape,
                       std::string(reinterpret_cast<const char*>(tensor.data.data()),
                                   static_cast<std::size_t>(tensor.elements * 2))});
  }
  return tensors;
}

void write_safetensors(const std::string& path, const std::vector<Tensor>& tensors) {
  std::string header = "{";
  std::string data;
  for (const Tensor& tensor : tensors) {
    header += (header.size() > 1 ? ",\"" : "\"") + tensor.name + R"(":{"dtype":"F16","shape":[)";
    for (std::size_t i = 0; i < tensor.shape.size(); ++i)
      header += (i > 0 ? "," : "") + std::to_string(tensor.shape[i]);
    header += "],\"data_offsets\":[" + std::to_string(data.size());
    data += tensor.data;
    header += "," + std::to_string(data.size()) + "]}";
  }
  header += "}";
  write_file(path, raw<std::uint64_t>(header.size()) + header + data);
}

class ConvertEncoder : public testing::Test {
 protected:
  std::string path(const std::string& name) const { return (folder_.path() / name).string(); }

  EncoderRequest request(EncoderKind kind, const std::vector<Tensor>& tensors, WeightFormat format) const {
    write_safetensors(path("source.safetensors"), tensors);
    EncoderRequest request;
    request.kind = kind;
    request.source = path("source.safetensors");
    request.output = path("encoder.gguf");
    request.format = format;
    request.wishes.heads = 3;
    request.options.threads = 2;
    return request;
  }

  static std::vector<float> values(const GgufTensor& tensor) {
    std::vector<float> values(static_cast<std::size_t>(tensor.elements));
    decode_floats(tensor.type == GgmlType::kF16 ? DataType::kF16 : DataType::kF32, tensor.data.data(), values);
    return values;
  }

  ScratchFolder folder_;
  // As published: one kind of adapter.
  std::vector<Tensor> siglip_ = [] {
    std::vector<Tensor> tensors = tensors_of("siglip.safetensors");
    std::erase_if(tensors,
                  [](const Tensor& t) { return t.name == "proj.conv3.weight" || t.name == "proj.proj.weight"; });
    return tensors;
  }();
  std::vector<Tensor> whisper_ = tensors_of("whisper.safetensors");
};

std::uint64_t number(const GgufFile& file, const char* key) {
  return file.find(key) ? std::get<std::uint64_t>(file.find(key)->value) : 9999;
}

TEST_F(ConvertEncoder, SiglipKeepsEveryValueAndItsHeaderSaysItsSizes) {
  for (const WeightFormat format : {WeightFormat::kF16, WeightFormat::kF32}) {
    const auto report = convert::convert_encoder(request(EncoderKind::kVision, siglip_, format));
    EXPECT_EQ(report.architecture, "siglip");
    const MappedFile mapped(path("encoder.gguf"));
    const GgufFile file = GgufFile::parse(mapped.bytes(), "encoder.gguf");
    EXPECT_EQ(number(file, "clip.vision.image_size"), 64u);
    EXPECT_EQ(number(file, "clip.vision.patch_size"), 8u);
    EXPECT_EQ(number(file, "clip.vision.block_count"), 2u);
    EXPECT_EQ(number(file, "clip.vision.attention.head_count"), 3u);
    EXPECT_EQ(number(file, "clip.vision.feed_forward_length"), 64u);
    EXPECT_EQ(number(file, "rwkv.vision.tiles"), 1u);
    EXPECT_EQ(number(file, "rwkv.vision.max_side"), 128u);
    EXPECT_EQ(number(file, "rwkv.adapter.stride"), 5u);
    EXPECT_EQ(std::get<std::string_view>(file.find("rwkv.adapter.kind")->value), "auto_siglip2");
    const std::pair<const char*, const char*> names[] = {
        {"v.patch_embd.weight", "vision_model.embeddings.patch_embedding.weight"},
        {"v.blk.1.ffn_up.weight", "vision_model.encoder.layers.1.mlp.fc1.weight"},
        {"v.blk.0.attn_out.bias", "vision_model.encoder.layers.0.self_attn.out_proj.bias"},
        {"rwkv_adapter.conv.weight", "proj.conv.weight"},
        {"rwkv_adapter.proj.2.bias", "proj.mlp.2.bias"}};
    for (const auto& [name, source] : names) {
      const auto tensor =
          std::find_if(siglip_.begin(), siglip_.end(), [&](const Tensor& t) { return t.name == source; });
      ASSERT_NE(file.find_tensor(name), nullptr) << name;
      std::vector<float> expected(tensor->data.size() / 2);
      decode_floats(DataType::kF16, reinterpret_cast<const std::byte*>(tensor->data.data()), expected);
      EXPECT_EQ(values(*file.find_tensor(name)), expected) << name;
    }
    EXPECT_EQ(file.find_tensor("v.post_ln.weight")->type, GgmlType::kF32);
    EXPECT_EQ(file.find_tensor("v.position_embd.weight")->type, GgmlType::kF32);
    EXPECT_EQ(file.find_tensor("v.blk.0.attn_q.weight")->type,
              format == WeightFormat::kF16 ? GgmlType::kF16 : GgmlType::kF32);
  }
}

TEST_F(ConvertEncoder, ACheckpointOfModRwkvIsSplitIntoItsParts) {
  for (Tensor& tensor : siglip_) {
    if (tensor.name.starts_with("vision_model.")) tensor.name = "encoder.model." + tensor.name.substr(13);
  }
  siglip_.push_back({"llm.blocks.0.ffn.x_k", {1, 1, 2}, std::string(4, '\0')});
  EXPECT_GT(convert::convert_encoder(request(EncoderKind::kVision, siglip_, WeightFormat::kF16)).tensors, 30u);
  const MappedFile mapped(path("encoder.gguf"));
  EXPECT_NE(GgufFile::parse(mapped.bytes(), "encoder.gguf").find_tensor("rwkv_adapter.conv.weight"), nullptr);
  // The language model is what remains: here too little of one to be converted, but nothing else.
  convert::GgufRequest language;
  language.source = path("source.safetensors");
  language.output = path("model.gguf");
  language.vocabulary = (std::filesystem::path(RWKV_SOURCE_DIR) / "tests/data/convert/vocab.txt").string();
  expect_words(refusal(ErrorCode::kUnsupported, [&] { convert::convert_to_gguf(language); }), {"blocks.0.att.r_k"});
}

TEST_F(ConvertEncoder, AnAdapterComesFromACheckpointOfItsOwn) {
  std::vector<Tensor> adapter;
  std::copy_if(siglip_.begin(), siglip_.end(), std::back_inserter(adapter),
               [](const Tensor& t) { return t.name.starts_with("proj."); });
  std::erase_if(siglip_, [](const Tensor& t) { return t.name.starts_with("proj."); });
  EncoderRequest both = request(EncoderKind::kVision, siglip_, WeightFormat::kQ8_0);
  convert::convert_encoder(both);
  {
    const MappedFile mapped(path("encoder.gguf"));
    EXPECT_EQ(GgufFile::parse(mapped.bytes(), "encoder.gguf").find_tensor("rwkv_adapter.proj.0.weight"), nullptr);
  }
  write_safetensors(path("adapter.safetensors"), adapter);
  both.adapter = path("adapter.safetensors");
  convert::convert_encoder(both);
  const MappedFile mapped(path("encoder.gguf"));
  const GgufFile file = GgufFile::parse(mapped.bytes(), "encoder.gguf");
  // Rows of 48 cannot be packed in blocks of 32, those of a kernel of 6 can.
  EXPECT_EQ(file.find_tensor("rwkv_adapter.proj.0.weight")->type, GgmlType::kF16);
  EXPECT_EQ(file.find_tensor("rwkv_adapter.conv.weight")->type, GgmlType::kQ8_0);
}

TEST_F(ConvertEncoder, WhisperNeedsItsAdapterAndKeepsEveryValue) {
  EncoderRequest wanted = request(EncoderKind::kAudio, whisper_, WeightFormat::kF16);
  wanted.wishes.stride = 1;
  wanted.wishes.padding = 1;
  EXPECT_EQ(convert::convert_encoder(wanted).architecture, "whisper");
  const MappedFile mapped(path("encoder.gguf"));
  const GgufFile file = GgufFile::parse(mapped.bytes(), "encoder.gguf");
  EXPECT_EQ(number(file, "whisper.n_mels"), 80u);
  EXPECT_EQ(number(file, "whisper.audio_ctx"), 100u);
  EXPECT_EQ(number(file, "whisper.heads"), 3u);
  EXPECT_EQ(number(file, "rwkv.adapter.stride"), 1u);
  EXPECT_EQ(number(file, "rwkv.adapter.padding"), 1u);
  EXPECT_EQ(number(file, "rwkv.adapter.hidden"), 64u);
  EXPECT_EQ(file.find_tensor("encoder.blocks.0.attn.key.bias"), nullptr);
  EXPECT_EQ(file.find_tensor("encoder.positional_embedding")->type, GgmlType::kF32);
  std::erase_if(whisper_, [](const Tensor& t) { return t.name.starts_with("proj."); });
  expect_words(refusal(ErrorCode::kInvalidArgument,
                       [&] { convert::convert_encoder(request(EncoderKind::kAudio, whisper_, WeightFormat::kF16)); }),
               {"no adapter", "--adapter"});
}

TEST_F(ConvertEncoder, WhatDoesNotFitIsRefusedWithAllThatIsWrong) {
  siglip_[3].name += "x";
  std::find_if(siglip_.begin(), siglip_.end(), [](const Tensor& t) {
    return t.name == "vision_model.encoder.layers.1.self_attn.k_proj.weight";
  })->shape = {24, 96};
  const std::string said = refusal(ErrorCode::kBadFile, [&] {
    convert::convert_encoder(request(EncoderKind::kVision, siglip_, WeightFormat::kF16));
  });
  expect_words(said,
               {siglip_[3].name, "not part of such an encoder", "is missing", "layers.1.self_attn.k_proj.weight"});
  EXPECT_FALSE(std::filesystem::exists(path("encoder.gguf")));
  expect_words(refusal(ErrorCode::kUnsupported,
                       [&] { convert::convert_encoder(request(EncoderKind::kVision, whisper_, WeightFormat::kF16)); }),
               {"no SigLIP encoder"});
  EncoderRequest no_heads = request(EncoderKind::kVision, siglip_, WeightFormat::kF16);
  no_heads.wishes.heads.reset();
  expect_words(refusal(ErrorCode::kInvalidArgument, [&] { convert::convert_encoder(no_heads); }), {"--heads"});
  write_file(path("config.json"), R"({"vision_config": {"num_attention_heads": 5}})");
  expect_words(refusal(ErrorCode::kInvalidArgument, [&] { convert::convert_encoder(no_heads); }), {"--heads"});
}

}  // namespace
}  // namespace rwkv::test
