// PyTorch checkpoints as trainers leave them convert to the very bytes that the plain one gives.
#include <gtest/gtest.h>

#include <functional>

#include "convert/convert.h"
#include "convert/random_checkpoint.h"
#include "support/pth_writer.h"
#include "support/tiny_model.h"

namespace rwkv::test {
namespace {

using Pth = PthWriter;

class WrappedPth : public testing::Test {
 protected:
  std::string path(const std::string& name) const { return (folder_.path() / name).string(); }

  std::pair<std::string, std::string> converted(const std::string& bytes, const std::string& ending = ".pth") const {
    write_file(path("model" + ending), bytes);
    convert::GgufRequest request;
    request.source = path("model" + ending);
    request.output = path("out.gguf");
    request.vocabulary = (std::filesystem::path(RWKV_SOURCE_DIR) / "tests" / "data" / "convert" / "vocab.txt").string();
    request.name = "model";
    request.format = convert::WeightFormat::kF16;
    convert::convert_to_gguf(request);
    convert::convert_to_safetensors(request.source, path("out.st"), {});
    return {read_file(path("out.gguf")), read_file(path("out.st"))};
  }

  ScratchFolder folder_;
};

using Rename = std::function<std::string(const std::string&)>;

Rename with_prefix(const std::string& prefix) {
  return [prefix](const std::string& name) { return prefix + name; };
}

// What state_dict() of a model with these weights gives, as `writer` pickles it.
std::string state_dict(Pth& writer, const RandomCheckpoint& checkpoint, const Rename& rename = with_prefix(""),
                       bool parameters = false) {
  Pth::Items items;
  for (const auto& tensor : checkpoint.tensors) {
    const std::string value = writer.tensor("HalfStorage", tensor.shape, tensor.data, 2);
    items.emplace_back(rename(tensor.name), parameters ? Pth::parameter(value) : value);
  }
  return Pth::dict(items, true);
}

// What an optimizer keeps: tensors too, by numbers, and settings.
std::string optimizer(Pth& writer) {
  const std::string moment = writer.tensor("FloatStorage", {2, 3}, std::string(24, '\0'), 4);
  return Pth::dict({{"state", Pth::dict({{"0", Pth::dict({{"step", Pth::number(7)}, {"exp_avg", moment}})}})},
                    {"param_groups", Pth::list({Pth::dict({{"lr", Pth::text("1e-4")}})})}});
}

TEST_F(WrappedPth, NamesThatWrappersMadeGiveTheSameBytes) {
  for (const int version : {6, 7}) {
    const RandomCheckpoint author({version, 2, 128, 32, 64, 40, 16});
    const auto expected = converted(author.bytes(), ".safetensors");
    for (const char* prefix : {"", "module.", "_orig_mod.", "model.", "module.model.", "_forward_module._orig_mod."}) {
      for (const bool parameters : {false, true}) {
        Pth writer;
        EXPECT_EQ(converted(writer.file(state_dict(writer, author, with_prefix(prefix), parameters))), expected)
            << version << " " << prefix;
      }
    }
  }
}

TEST_F(WrappedPth, WeightsAreFoundBesideWhatElseATrainerSaves) {
  const RandomCheckpoint author({7, 1, 64, 64, 32, 40, 8});
  const auto expected = converted(author.bytes(), ".safetensors");
  for (const char* entry : {"state_dict", "model_state_dict", "model", "module", "weights"}) {
    Pth writer;
    const std::string weights = state_dict(writer, author, with_prefix("module."));
    const std::string saved = Pth::dict({{"epoch", Pth::number(3)},
                                         {"optimizer", optimizer(writer)},
                                         {entry, weights},
                                         {"args", Pth::dict({{"name", Pth::text("run 1")}})}});
    EXPECT_EQ(converted(writer.file(saved)), expected) << entry;
  }
  Pth nested;
  const std::string inner = Pth::dict({{"module", state_dict(nested, author)}, {"step", Pth::number(1)}});
  EXPECT_EQ(converted(nested.file(Pth::dict({{"state_dict", inner}}))), expected);
}

TEST_F(WrappedPth, WhatIsThereInsteadOfWeightsIsSaid) {
  Pth writer;
  const std::string saved = Pth::dict({{"optimizer", optimizer(writer)}, {"epoch", Pth::number(3)}});
  expect_error(ErrorCode::kBadFile, "it has 'optimizer', 'epoch'", [&] { converted(writer.file(saved)); });
  expect_error(ErrorCode::kBadFile, "it has nothing", [&] { converted(writer.file(Pth::dict({}))); });
}

TEST_F(WrappedPth, DoublesGiveTheModelThatTheirHalvesGive) {
  const RandomCheckpoint halves({7, 1, 64, 32, 32, 40, 8});
  Pth writer;
  Pth::Items items;
  for (const auto& tensor : halves.tensors) {
    std::string data;
    for (std::size_t i = 0; i < tensor.data.size(); i += 2) {
      std::uint16_t bits = 0;
      std::memcpy(&bits, tensor.data.data() + i, 2);
      const int mantissa = 1024 + (bits & 1023);
      data += raw(std::ldexp((bits & 0x8000) != 0 ? -mantissa : mantissa, ((bits >> 10) & 31) - 25));
    }
    items.emplace_back("model." + tensor.name, writer.tensor("DoubleStorage", tensor.shape, data, 8));
  }
  EXPECT_EQ(converted(writer.file(Pth::dict(items))), converted(halves.bytes(), ".safetensors"));
}

}  // namespace
}  // namespace rwkv::test
