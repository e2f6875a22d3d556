// Checkpoints by torch and by hand become GGUF files that compute the same.
#include "convert/convert.h"

#include <gtest/gtest.h>
#include <llama.h>

#include <nlohmann/json.hpp>

#include "convert/random_checkpoint.h"
#include "formats/pth.h"
#include "formats/rwkv_passport.h"
#include "formats/safetensors.h"
#include "support/tiny_model.h"
#include "text/vocabulary.h"

namespace rwkv::test {
namespace {

using convert::GgufRequest;
using convert::WeightFormat;

const std::filesystem::path kFixtures = std::filesystem::path(RWKV_SOURCE_DIR) / "tests" / "data" / "convert";

class Convert : public testing::Test {
 protected:
  std::string path(const std::string& name) const { return (folder_.path() / name).string(); }

  GgufRequest request(const std::string& source, WeightFormat format = WeightFormat::kF32) const {
    GgufRequest request;
    request.source = source;
    request.output = path("model.gguf");
    request.vocabulary = (kFixtures / "vocab.txt").string();
    request.name = "model";
    request.format = format;
    request.options.threads = 2;
    return request;
  }

  /// Converts and gives the file's bytes.
  std::string converted(const GgufRequest& request) const {
    convert::convert_to_gguf(request);
    return read_file(request.output);
  }

  std::string written(const RandomCheckpoint& checkpoint) const {
    write_file(path("model.safetensors"), checkpoint.bytes());
    return path("model.safetensors");
  }

  void expect_refused(const RandomCheckpoint& checkpoint, const std::vector<std::string>& reasons,
                      ErrorCode code = ErrorCode::kBadFile, WeightFormat format = WeightFormat::kF16) const {
    for (const std::string& reason : reasons) {
      expect_error(code, reason, [&] { convert::convert_to_gguf(request(written(checkpoint), format)); });
    }
    EXPECT_FALSE(std::filesystem::exists(path("model.gguf")));
    EXPECT_EQ(std::distance(std::filesystem::directory_iterator(folder_.path()), {}), 1) << "a temporary file is left";
  }

  ScratchFolder folder_;
};

GgufFile parse(const std::string& bytes) { return GgufFile::parse(std::as_bytes(std::span(bytes)), "model.gguf"); }

void expect_reference_logits(const std::string& model_path, const std::string& cases, double tolerance) {
  const auto model = load_file(model_path, one_thread());
  int compared = 0;
  for (const auto& fixture : nlohmann::json::parse(read_file(kFixtures / cases))) {
    const auto sequence = model->create_sequence();
    EXPECT_LT(distance(feed(*model, *sequence, fixture["tokens"].get<Tokens>()),
                       fixture["logits"].get<std::vector<double>>()),
              tolerance)
        << fixture["name"];
    ++compared;
  }
  EXPECT_EQ(compared, 3);
}

TEST_F(Convert, LogitsAreThoseOfTheCheckpointsOwnEquations) {
  for (const auto& [source, cases] :
       {std::pair{"rwkv7.pth", "rwkv7.json"}, std::pair{"rwkv7.safetensors", "rwkv7.json"},
        std::pair{"rwkv6.pth", "rwkv6.json"}}) {
    SCOPED_TRACE(source);
    convert::convert_to_gguf(request((kFixtures / source).string()));
    expect_reference_logits(path("model.gguf"), cases, 1e-3);
  }
}

TEST_F(Convert, SafetensorsOfTheOtherLayoutGiveTheSameModel) {
  for (const int version : {6, 7}) {
    const std::string name = "rwkv" + std::to_string(version);
    const std::string source = (kFixtures / (name + ".pth")).string();
    convert::convert_to_safetensors(source, path("model.st"), {});
    convert::convert_to_gguf(request(path("model.st")));
    expect_reference_logits(path("model.gguf"), name + ".json", version == 6 ? 1e-3 : 5e-3);  // halves of bfloat16
  }
  const std::string source = (kFixtures / "rwkv6.pth").string();
  convert::convert_to_safetensors(source, path("model.st"), {});
  EXPECT_EQ(converted(request(path("model.st"))), converted(request(source)));
}

TEST_F(Convert, SafetensorsHaveTheNamesShapesAndValuesOfTheWebRwkvFamily) {
  convert::convert_to_safetensors((kFixtures / "rwkv6.pth").string(), path("model.st"), {});
  const std::string bytes = read_file(path("model.st"));
  EXPECT_NE(bytes.find("\"__metadata__\":{\"format\":\"pt\"}"), std::string::npos);
  const WeightFile file = parse_safetensors(std::as_bytes(std::span(bytes)), "model.st");
  EXPECT_EQ(file.find("blocks.0.att.time_mix_w1")->describe(), "F16 [20, 64]");
  EXPECT_EQ(file.find("blocks.0.att.time_mix_w2")->describe(), "F16 [5, 64, 4]");
  EXPECT_EQ(file.find("blocks.0.att.time_decay_w1")->describe(), "F16 [6, 64]");
  EXPECT_EQ(file.find("blocks.0.att.time_first")->describe(), "F16 [1, 64]");
  EXPECT_EQ(file.find("blocks.1.ffn.key.weight")->describe(), "F16 [64, 64]");
  EXPECT_EQ(file.find("blocks.0.att.time_maa_w1"), nullptr);
}

TEST_F(Convert, MetadataSayWhatTheShapesSay) {
  RandomCheckpoint checkpoint({7, 3, 128, 32, 160, 50, 8});
  write_file(path("vocab.txt"), vocabulary_text(45));
  GgufRequest wish = request(written(checkpoint), WeightFormat::kQ8_0);
  wish.vocabulary = path("vocab.txt");
  wish.name.clear();
  const std::string bytes = converted(wish);
  const GgufFile file = parse(bytes);
  const RwkvPassport passport = check_rwkv_model(file);
  EXPECT_EQ(passport.architecture, "rwkv7");
  EXPECT_EQ(passport.name, "model");  // the source's file name
  EXPECT_EQ(passport.weight_type, "Q8_0");
  EXPECT_EQ(passport.layers, 3);
  EXPECT_EQ(passport.width, 128);
  EXPECT_EQ(passport.head_size, 32);
  EXPECT_EQ(passport.feed_forward, 160);
  EXPECT_EQ(passport.vocabulary, 50);
  const Vocabulary vocabulary = Vocabulary::from_gguf_tokens(passport.token_texts, passport.token_types);
  const Vocabulary original = Vocabulary::from_file(wish.vocabulary);
  for (TokenId id = 0; id < 50; ++id) EXPECT_EQ(vocabulary.bytes(id), original.bytes(id)) << id;
  EXPECT_EQ(passport.token_texts[0], "<s>");
  EXPECT_EQ(passport.token_texts[1], "\\n");
  EXPECT_EQ(passport.token_texts[49], "[PAD49]");
  EXPECT_EQ(passport.token_types[0], 3);
  EXPECT_EQ(passport.token_types[1], 1);
  EXPECT_EQ(passport.token_types[49], 5);
}

// llama.cpp's own quantisation of the f16 file is what the quantize tool does.
TEST_F(Convert, QuantisedFilesHaveTheBytesOfLlamaCppsQuantizeTool) {
  const std::pair<WeightFormat, llama_ftype> kFormats[] = {{WeightFormat::kQ8_0, LLAMA_FTYPE_MOSTLY_Q8_0},
                                                           {WeightFormat::kQ4_0, LLAMA_FTYPE_MOSTLY_Q4_0},
                                                           {WeightFormat::kQ4_K, LLAMA_FTYPE_MOSTLY_Q4_K_M},
                                                           {WeightFormat::kQ5_K, LLAMA_FTYPE_MOSTLY_Q5_K_M}};
  // Rows that pack into blocks of 256, of 32 only, and not at all.
  const CheckpointShape kShapes[] = {{7, 2, 256, 64, 512, 40, 8}, {6, 8, 64, 64, 96, 40, 8}, {7, 2, 64, 64, 40, 40, 8}};
  for (const CheckpointShape& shape : kShapes) {
    const std::string source = written(RandomCheckpoint(shape));
    GgufRequest halves = request(source, WeightFormat::kF16);
    halves.output = path("f16.gguf");
    convert::convert_to_gguf(halves);
    for (const auto& [format, ftype] : kFormats) {
      const std::string ours_bytes = converted(request(source, format));
      llama_model_quantize_params params = llama_model_quantize_default_params();
      params.ftype = ftype;
      params.nthread = 1;
      ASSERT_EQ(llama_model_quantize(halves.output.c_str(), path("theirs.gguf").c_str(), &params), 0u);
      const std::string theirs_bytes = read_file(path("theirs.gguf"));
      const GgufFile ours = parse(ours_bytes);
      const GgufFile theirs = parse(theirs_bytes);
      ASSERT_EQ(ours.tensors().size(), theirs.tensors().size());
      for (const GgufTensor& tensor : theirs.tensors()) {
        const GgufTensor* own = ours.find_tensor(tensor.name);
        ASSERT_NE(own, nullptr) << tensor.name;
        EXPECT_EQ(own->traits->name, tensor.traits->name) << tensor.name;
        EXPECT_TRUE(std::equal(own->data.begin(), own->data.end(), tensor.data.begin(), tensor.data.end()))
            << tensor.name << " as " << tensor.traits->name;
      }
      const auto type = [&](const GgufFile& file) {
        return std::get<std::uint64_t>(file.find("general.file_type")->value);
      };
      EXPECT_EQ(type(ours), type(theirs));
    }
  }
}

TEST_F(Convert, ResultDoesNotDependOnTheThreads) {
  const std::string source = written(RandomCheckpoint({7, 2, 512, 64, 2048, 40, 16}));
  GgufRequest wish = request(source, WeightFormat::kQ4_0);
  wish.options.threads = 1;
  const std::string alone = converted(wish);
  wish.options.threads = 5;
  EXPECT_EQ(converted(wish), alone);
}

TEST_F(Convert, ProgressGrowsToOne) {
  GgufRequest wish = request(written(RandomCheckpoint({7, 1, 512, 64, 2048, 40, 16})), WeightFormat::kQ5_K);
  float last = 0;
  wish.options.progress = [&](float part) {
    EXPECT_GE(part, last);
    last = part;
  };
  convert::convert_to_gguf(wish);
  EXPECT_EQ(last, 1.0f);
}

TEST_F(Convert, CancelLeavesTheOldFileAndNothingElse) {
  const std::string source = written(RandomCheckpoint({7, 1, 512, 64, 2048, 40, 16}));
  GgufRequest wish = request(source, WeightFormat::kQ5_K);
  write_file(wish.output, "old");
  wish.options.threads = 1;
  wish.options.progress = [&](float) { wish.options.cancel.cancel(); };
  const auto expect_old = [&] {
    EXPECT_EQ(read_file(wish.output), "old");
    EXPECT_EQ(std::distance(std::filesystem::directory_iterator(folder_.path()), {}), 2);
  };
  expect_error(ErrorCode::kCancelled, "cancelled", [&] { convert::convert_to_gguf(wish); });
  expect_old();
  expect_error(ErrorCode::kCancelled, "cancelled",
               [&] { convert::convert_to_safetensors(source, wish.output, wish.options); });
  expect_old();
}

TEST_F(Convert, EachMissingOrMisshapenTensorIsNamed) {
  for (const int version : {7, 6}) {
    const CheckpointShape shape{version, 2, 64, 32, 96, 40, 8};
    const RandomCheckpoint good(shape);
    for (const auto& tensor : good.tensors) {
      RandomCheckpoint spoilt = good;
      spoilt.remove(tensor.name);
      const bool tells_version = tensor.name == "blocks.0.att.r_k" || tensor.name == "blocks.0.att.time_maa_x";
      expect_refused(spoilt, {tells_version ? "has neither" : "'" + tensor.name + "' is missing"},
                     tells_version ? ErrorCode::kUnsupported : ErrorCode::kBadFile);
      spoilt = good;
      spoilt.find(tensor.name).shape.back() *= 2;
      spoilt.find(tensor.name).data += tensor.data;
      expect_refused(spoilt, {"sound RWKV-" + std::to_string(version)});
      spoilt = good;
      spoilt.find(tensor.name).type = "I16";
      expect_refused(spoilt, {"'" + tensor.name + "' is I16"});
    }
  }
}

TEST_F(Convert, WhatIsNotPartOfTheModelIsNamed) {
  RandomCheckpoint checkpoint({});
  checkpoint.tensors.push_back({"blocks.1.att.time_state", {1}, "F16", std::string(2, '\0')});
  expect_refused(checkpoint, {"'blocks.1.att.time_state' is not part of the model"});
  checkpoint.tensors.back().name = "blocks.99999.att.x_r";
  expect_refused(checkpoint, {"in none of 512 layers"});
  checkpoint.tensors.back().name = "blocks.x.att.x_r";
  expect_refused(checkpoint, {"in none of 512 layers"});
  checkpoint.tensors.back().name = "blocks.5.att.x_r";
  expect_refused(checkpoint, {"'blocks.2.ln1.weight' is missing", "more problems"});
}

TEST_F(Convert, ValuesThatAreNotFiniteOrDoNotFitAreRefused) {
  const std::string kNan = raw<std::uint16_t>(0x7E00);
  const std::string kInfinite = raw<std::uint16_t>(0xFC00);
  for (const std::string& value : {kNan, kInfinite}) {
    for (const char* name : {"blocks.1.ffn.value.weight", "blocks.0.att.w2", "ln_out.bias"}) {
      RandomCheckpoint checkpoint({});
      auto& data = checkpoint.find(name).data;
      data.replace(data.size() - 2, 2, value);
      for (const WeightFormat format : {WeightFormat::kF32, WeightFormat::kBF16, WeightFormat::kQ4_K}) {
        expect_refused(checkpoint, {"not finite"}, ErrorCode::kBadFile, format);
      }
    }
  }
  RandomCheckpoint checkpoint({});
  auto& tensor = checkpoint.find("head.weight");
  tensor.type = "BF16";
  tensor.data.replace(0, 2, raw<std::uint16_t>(0x4780));  // 65536
  for (const WeightFormat format : {WeightFormat::kF16, WeightFormat::kQ8_0}) {
    expect_refused(checkpoint, {"convert to bf16 or f32"}, ErrorCode::kBadFile, format);
  }
  for (const WeightFormat format : {WeightFormat::kF32, WeightFormat::kBF16}) {
    EXPECT_NO_THROW(convert::convert_to_gguf(request(written(checkpoint), format)));
  }
}

TEST_F(Convert, DamageInAnyStorageOfAPyTorchFileIsRefusedByItsName) {
  for (const char* name : {"rwkv7.pth", "rwkv6.pth"}) {
    const std::string good = read_file(kFixtures / name);
    const WeightFile weights = parse_pth(std::as_bytes(std::span(good)), name);
    ASSERT_EQ(weights.storages().size(), weights.tensors().size());  // as torch saves what does not share memory
    std::size_t tried = 0;
    for (const WeightStorage& storage : weights.storages()) {
      const auto begin = static_cast<std::size_t>(storage.data.data() - std::as_bytes(std::span(good)).data());
      const std::string reason = "'" + std::string(storage.name) + "' in it does not have its checksum";
      // The lowest bit of the first value, and the sign of the last.
      for (const auto& [place, mask] : {std::pair{begin, 1}, std::pair{begin + storage.data.size() - 1, 0x80}}) {
        std::string bytes = good;
        bytes[place] = static_cast<char>(bytes[place] ^ mask);
        write_file(path("damaged.pth"), bytes);
        expect_error(ErrorCode::kBadFile, reason, [&] { convert::convert_to_gguf(request(path("damaged.pth"))); });
        expect_error(ErrorCode::kBadFile, reason,
                     [&] { convert::convert_to_safetensors(path("damaged.pth"), path("model.st"), {}); });
        ++tried;
      }
    }
    EXPECT_GT(tried, 60u);
  }
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(folder_.path()), {}), 1);  // the source
}

TEST_F(Convert, ValuesThatAreNotFiniteBecauseOfDamageAreCalledDamage) {
  const std::string good = read_file(kFixtures / "rwkv7.pth");
  const WeightFile weights = parse_pth(std::as_bytes(std::span(good)), "rwkv7.pth");
  for (const auto& [name, tensor] : weights.tensors()) {
    std::string bytes = good;
    const auto place = static_cast<std::size_t>(tensor.data.data() - std::as_bytes(std::span(good)).data());
    std::fill_n(bytes.begin() + static_cast<std::ptrdiff_t>(place), tensor.data.size(), '\xFF');
    write_file(path("damaged.pth"), bytes);
    GgufRequest wish = request(path("damaged.pth"));
    wish.options.threads = 5;
    expect_error(ErrorCode::kBadFile, "does not have its checksum", [&] { convert::convert_to_gguf(wish); });
  }
}

TEST_F(Convert, TheModelDoesNotReplaceItsVocabulary) {
  GgufRequest wish = request(written(RandomCheckpoint({})));
  const std::string text = vocabulary_text(40);
  write_file(path("vocab.txt"), text);
  wish.vocabulary = path("vocab.txt");
  wish.output = path("./vocab.txt");
  expect_error(ErrorCode::kInvalidArgument, "is the vocabulary", [&] { convert::convert_to_gguf(wish); });
  EXPECT_EQ(std::filesystem::file_size(path("vocab.txt")), text.size());
}

TEST_F(Convert, VocabularyMustBeThereAndFit) {
  GgufRequest wish = request(written(RandomCheckpoint({})));
  wish.vocabulary.clear();
  expect_error(ErrorCode::kInvalidArgument, "name the World vocabulary", [&] { convert::convert_to_gguf(wish); });
  wish.vocabulary = path("absent.txt");
  expect_error(ErrorCode::kNotFound, "absent.txt", [&] { convert::convert_to_gguf(wish); });
  write_file(path("vocab.txt"), vocabulary_text(41));
  wish.vocabulary = path("vocab.txt");
  expect_error(ErrorCode::kInvalidArgument, "ids up to 40", [&] { convert::convert_to_gguf(wish); });
  // Engines cannot load a model without a token for the newline: the passport says so, and no file appears.
  write_file(path("vocab.txt"), "1 'a' 1\n");
  expect_error(ErrorCode::kBadFile, "no token is a newline", [&] { convert::convert_to_gguf(wish); });
  EXPECT_FALSE(std::filesystem::exists(wish.output));
}

TEST_F(Convert, SourcesThatAreNoCheckpointsAreRefused) {
  expect_error(ErrorCode::kNotFound, "absent.pth", [&] { convert::convert_to_gguf(request(path("absent.pth"))); });
  expect_error(ErrorCode::kUnsupported, "a GGUF file already",
               [&] { convert::convert_to_gguf(request(kModel.string())); });
  std::filesystem::create_directory(path("folder"));
  expect_error(ErrorCode::kIo, "name the .pth or .safetensors file in it",
               [&] { convert::convert_to_gguf(request(path("folder"))); });
  GgufRequest twice_wrong = request(kModel.string());
  twice_wrong.vocabulary.clear();
  expect_error(ErrorCode::kUnsupported, "a GGUF file already", [&] { convert::convert_to_gguf(twice_wrong); });
  GgufRequest without_vocabulary = request(written(RandomCheckpoint({})));
  without_vocabulary.vocabulary.clear();
  expect_error(ErrorCode::kInvalidArgument, "--vocab", [&] { convert::convert_to_gguf(without_vocabulary); });
  write_file(path("empty.pth"), "");
  expect_error(ErrorCode::kBadFile, "empty.pth", [&] { convert::convert_to_gguf(request(path("empty.pth"))); });
  GgufRequest wish = request(written(RandomCheckpoint({})));
  wish.output = path("no/such/folder.gguf");
  expect_error(ErrorCode::kIo, "folder.gguf", [&] { convert::convert_to_gguf(wish); });
}

#ifndef __SANITIZE_ADDRESS__
std::uint64_t status_bytes(const std::string& key) {
  std::ifstream status("/proc/self/status");
  std::string word;
  std::uint64_t kilobytes = 0;
  while (status >> word) {
    if (word == key && status >> kilobytes) return kilobytes * 1024;
  }
  return 0;
}

TEST_F(Convert, MemoryStaysBelowATenthOfTheModel) {
  const std::string source = written(RandomCheckpoint({7, 6, 1024, 64, 4096, 40, 64}));
  const std::uint64_t model_bytes = std::filesystem::file_size(source);
  ASSERT_GT(model_bytes, std::uint64_t{100} << 20);
  GgufRequest wish = request(source, WeightFormat::kQ8_0);
  convert::convert_to_gguf(request((kFixtures / "rwkv7.pth").string()));  // what any first call takes
  std::ofstream("/proc/self/clear_refs") << "5";                          // the peak begins anew
  const std::uint64_t before = status_bytes("VmRSS:");
  convert::convert_to_gguf(wish);
  const std::uint64_t peak = status_bytes("VmHWM:");
  ASSERT_GT(before, 0u);
  EXPECT_LT(peak, before + model_bytes / 10) << "before " << before;
}
#endif

}  // namespace
}  // namespace rwkv::test
