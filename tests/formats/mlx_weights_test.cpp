// Weights that MLX quantised stand for what MLX itself makes of them (tools/reference/mlx_folders.py).
#include "formats/mlx_weights.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "base/error.h"
#include "formats/packed_floats.h"
#include "formats/safetensors.h"
#include "formats/weight_values.h"
#include "support/gguf_writer.h"

namespace rwkv::test {
namespace {

std::string file_in(const std::string& folder, const std::string& name) {
  return read_file(std::filesystem::path(RWKV_SOURCE_DIR) / "tests" / "data" / "convert" / folder / name);
}

TEST(MlxWeights, ValuesAreThoseOfMlx) {
  for (const std::string folder : {"mlx4", "mlx6", "mlx8"}) {
    const std::string bytes = file_in(folder, "model.safetensors");
    const WeightFile stored = parse_safetensors(bytes_of(bytes), folder);
    ASSERT_TRUE(has_mlx_weights(stored));
    const WeightFile joined = with_mlx_weights_joined(stored, nlohmann::json::parse(file_in(folder, "config.json")));
    EXPECT_FALSE(has_mlx_weights(joined));
    int compared = 0;
    const auto expected = nlohmann::json::parse(file_in(folder, "expected.json"));
    for (const auto& [name, places] : expected.items()) {
      const WeightTensor* tensor = joined.find(name);
      ASSERT_NE(tensor, nullptr) << name;
      ASSERT_NE(tensor->packing, nullptr) << name;
      for (const auto& place : places) {
        const auto row = place[0].get<std::uint64_t>();
        const auto column = place[1].get<std::uint64_t>();
        float value = 0;
        decode_packed(*tensor->packing, tensor->data, row * tensor->shape[1] + column, std::span(&value, 1));
        EXPECT_NEAR(static_cast<double>(value), place[2].get<double>(), 1e-6) << folder << " " << name;
        ++compared;
      }
    }
    EXPECT_GT(compared, 200) << folder;
  }
}

struct Part {
  std::string name, type, shape;
  std::size_t bytes;
};

std::string safetensors(const std::vector<Part>& parts) {
  std::string header = "{";
  std::size_t at = 0;
  for (const Part& part : parts) {
    header += (at > 0 ? ",\"" : "\"") + part.name + "\":{\"dtype\":\"" + part.type + "\",\"shape\":" + part.shape +
              ",\"data_offsets\":[" + std::to_string(at) + "," + std::to_string(at + part.bytes) + "]}";
    at += part.bytes;
  }
  header += "}";
  return raw<std::uint64_t>(header.size()) + header + std::string(at, '\1');
}

void expect_refused(const std::vector<Part>& parts, const std::string& config, const std::string& reason,
                    ErrorCode code = ErrorCode::kBadFile) {
  const std::string bytes = safetensors(parts);
  try {
    with_mlx_weights_joined(parse_safetensors(bytes_of(bytes), "x"), nlohmann::json::parse(config));
    ADD_FAILURE() << "was read; expected: " << reason;
  } catch (const Error& error) {
    EXPECT_EQ(to_string(error.code()), to_string(code)) << error.what();
    EXPECT_NE(std::string(error.what()).find(reason), std::string::npos) << error.what();
  }
}

TEST(MlxWeights, PartsThatDoNotFitEachOtherAreRefused) {
  const std::string config = R"({"quantization": {"group_size": 64, "bits": 4}})";
  const Part words{"a.weight", "U32", "[2,8]", 64};
  const Part scales{"a.scales", "F16", "[2,1]", 4};
  const Part biases{"a.biases", "F16", "[2,1]", 4};
  const std::string good = safetensors({words, scales, biases});
  EXPECT_EQ(with_mlx_weights_joined(parse_safetensors(bytes_of(good), "x"), nlohmann::json::parse(config))
                .find("a.weight")
                ->describe(),
            "4 bit [2, 64]");
  expect_refused({scales, biases}, config, "no tensor 'a.weight'");
  expect_refused({words, scales}, config, "no tensor 'a.biases'");
  expect_refused({{"a.weight", "I32", "[2,8]", 64}, scales, biases}, config, "do not fit");
  expect_refused({{"a.weight", "U32", "[2,7]", 56}, scales, biases}, config, "do not fit");
  expect_refused({{"a.weight", "U32", "[2,18]", 144}, scales, biases}, config, "do not fit");
  expect_refused({{"a.weight", "U32", "[1,8]", 32}, scales, biases}, config, "do not fit");
  expect_refused({words, scales, {"a.biases", "F32", "[2,1]", 8}}, config, "do not fit");
  expect_refused({words, scales, biases}, "null", "no config.json");
  expect_refused({words, scales, biases}, R"({"quantization": {"bits": 4}})", "without a 'group_size'");
  expect_refused({words, scales, biases}, R"({"quantization": {"group_size": 0}})", "do not fit");
  expect_refused({words, scales, biases}, R"({"quantization": {"group_size": 64, "mode": "mxfp4"}})", "mode \"mxfp4\"",
                 ErrorCode::kUnsupported);
}

}  // namespace
}  // namespace rwkv::test
