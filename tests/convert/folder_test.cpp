// Folders of checkpoints as people download them: parts and an index, MLX's quantised ones, web-rwkv's .prefab.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "convert/convert.h"
#include "convert/random_checkpoint.h"
#include "formats/prefab_writer.h"
#include "formats/rwkv_passport.h"
#include "support/tiny_model.h"

namespace rwkv::test {
namespace {

const std::filesystem::path kFixtures = std::filesystem::path(RWKV_SOURCE_DIR) / "tests" / "data" / "convert";
const CheckpointShape kShape{7, 2, 64, 64, 96, 40, 8};

class Folder : public testing::Test {
 protected:
  std::string path(const std::string& name) const { return (folder_.path() / name).string(); }

  std::string converted(const std::string& source, const std::string& vocabulary) const {
    convert::GgufRequest request;
    request.source = source;
    request.output = path("out.gguf");
    request.vocabulary = vocabulary;
    request.name = "model";
    request.format = convert::WeightFormat::kF32;
    convert::convert_to_gguf(request);
    return read_file(request.output);
  }
  std::string converted(const std::string& source) const {
    return converted(source, (kFixtures / "vocab.txt").string());
  }

  // In two parts, every other tensor in each, with their index.
  void write_parts(const std::string& name, const RandomCheckpoint& checkpoint) const {
    std::filesystem::create_directory(path(name));
    RandomCheckpoint parts[2] = {checkpoint, checkpoint};
    nlohmann::json map;
    for (std::size_t i = 0; i < checkpoint.tensors.size(); ++i) {
      const std::string& tensor = checkpoint.tensors[i].name;
      parts[1 - i % 2].remove(tensor);
      map[tensor] = "model-0000" + std::to_string(i % 2 + 1) + "-of-00002.safetensors";
    }
    for (int i : {0, 1}) {
      write_file(path(name + "/model-0000" + std::to_string(i + 1) + "-of-00002.safetensors"), parts[i].bytes());
    }
    write_file(path(name + "/model.safetensors.index.json"), nlohmann::json{{"weight_map", map}}.dump());
  }

  void expect_refused(const std::string& source, const std::string& reason, ErrorCode code) const {
    expect_error(code, reason, [&] { converted(source); });
    EXPECT_FALSE(std::filesystem::exists(path("out.gguf")));
  }

  ScratchFolder folder_;
};

TEST_F(Folder, PartsGiveTheModelThatOneFileGives) {
  const RandomCheckpoint checkpoint(kShape);
  write_file(path("one.safetensors"), checkpoint.bytes());
  const std::string expected = converted(path("one.safetensors"));
  write_parts("model", checkpoint);
  EXPECT_EQ(converted(path("model")), expected);
  EXPECT_EQ(converted(path("model") + "/"), expected);
  EXPECT_EQ(converted(path("model/model.safetensors.index.json")), expected);
  EXPECT_EQ(converted(path("model/model-00002-of-00002.safetensors")), expected);
}

TEST_F(Folder, TheVocabularyInItIsTaken) {
  write_parts("model", RandomCheckpoint(kShape));
  const std::string expected = converted(path("model"));
  std::filesystem::copy_file(kFixtures / "vocab.txt", path("model/rwkv_vocab_v20230424.txt"));
  EXPECT_EQ(converted(path("model"), ""), expected);
}

TEST_F(Folder, TheOnlyCheckpointInItIsMeant) {
  std::filesystem::create_directory(path("model"));
  expect_refused(path("model"), "no checkpoint", ErrorCode::kIo);
  write_file(path("model/a.safetensors"), RandomCheckpoint(kShape).bytes());
  write_file(path("model/notes.txt"), "x");
  const std::string expected = converted(path("model/a.safetensors"));
  EXPECT_EQ(converted(path("model")), expected);
  std::filesystem::remove(path("out.gguf"));
  write_file(path("model/b.st"), RandomCheckpoint(kShape).bytes());
  expect_refused(path("model"), "2 checkpoints", ErrorCode::kIo);
}

TEST_F(Folder, AnIndexThatNamesOtherPlacesOrNothingIsRefused) {
  write_parts("model", RandomCheckpoint(kShape));
  const auto with_map = [&](const std::string& map) {
    write_file(path("model/model.safetensors.index.json"), "{\"weight_map\": " + map + "}");
  };
  for (const char* name : {"../x.safetensors", "/etc/passwd", "a/b", "a\\b", "c:x", ".hidden", ""}) {
    with_map(nlohmann::json{{"a", name}}.dump());
    expect_refused(path("model"), "no file beside it", ErrorCode::kBadFile);
  }
  with_map("[]");
  expect_refused(path("model"), "no 'weight_map'", ErrorCode::kBadFile);
  with_map("{}");
  expect_refused(path("model"), "names no files", ErrorCode::kBadFile);
  with_map("{\"a\": 1}");
  expect_refused(path("model"), "names no file for 'a'", ErrorCode::kBadFile);
  with_map("{\"a\": \"model-00003-of-00003.safetensors\"}");
  expect_refused(path("model"), "model-00003-of-00003.safetensors", ErrorCode::kNotFound);
  write_file(path("model/model.safetensors.index.json"), "{");
  expect_refused(path("model"), "no JSON object", ErrorCode::kBadFile);
}

TEST_F(Folder, WhatMlxQuantisedBecomesAModel) {
  for (const std::string name : {"mlx4", "mlx6", "mlx8"}) {
    const std::string bytes = converted((kFixtures / name).string());
    const GgufFile model = GgufFile::parse(std::as_bytes(std::span(bytes)), "out.gguf");
    const GgufTensor& embedding = *model.find_tensor("token_embd.weight");
    const auto expected = nlohmann::json::parse(read_file(kFixtures / name / "expected.json"));
    for (const auto& place : expected["model.embeddings.weight"]) {
      float value = 0;
      const std::size_t at = place[0].get<std::size_t>() * 64 + place[1].get<std::size_t>();
      std::memcpy(&value, embedding.data.data() + at * sizeof value, sizeof value);
      EXPECT_NEAR(static_cast<double>(value), place[2].get<double>(), 1e-6) << name;
    }
  }
}

TEST_F(Folder, APrefabOfHalvesGivesTheModelOfItsCheckpoint) {
  const RandomCheckpoint checkpoint(kShape);
  write_file(path("one.safetensors"), checkpoint.bytes());
  write_file(path("one.prefab"), prefab(checkpoint, kShape));
  EXPECT_EQ(converted(path("one.prefab")), converted(path("one.safetensors")));
}

}  // namespace
}  // namespace rwkv::test
