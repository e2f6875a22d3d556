// Containers by an independent writer come back; what is wrong is refused with the reason.
#include "formats/rmpack.h"

#include <gtest/gtest.h>

#include "base/error.h"
#include "formats/weight_values.h"
#include "support/gguf_writer.h"
#include "support/hostile.h"

namespace rwkv::test {
namespace {

struct Blob {
  std::string name;
  std::uint64_t size;
  std::uint64_t offset;
};

std::string container(const std::string& config, const std::vector<Blob>& blobs, std::size_t file_bytes = 16384) {
  std::string out = "RWKVMBLE" + raw(static_cast<std::uint32_t>(config.size())) + config +
                    raw(static_cast<std::uint32_t>(blobs.size()));
  for (const Blob& blob : blobs) {
    out += raw(static_cast<std::uint32_t>(blob.name.size())) + blob.name + raw(blob.size) + raw(blob.offset);
  }
  out.resize(std::max(out.size(), file_bytes), '\0');
  return out;
}

void expect_refused(const std::string& bytes, const std::string& reason) {
  try {
    parse_rmpack(bytes_of(bytes), "x.rmpack");
    ADD_FAILURE() << "read; expected: " << reason;
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kBadFile);
    EXPECT_NE(std::string(error.what()).find(reason), std::string::npos) << error.what();
    EXPECT_NE(std::string(error.what()).find("'x.rmpack'"), std::string::npos) << error.what();
  }
}

TEST(Rmpack, ConfigurationAndBlobsComeBackInOrder) {
  const std::string bytes = fixture("state.rmpack");
  const RmpackFile file = parse_rmpack(bytes_of(bytes), "state.rmpack");
  EXPECT_EQ(file.number("hidden_size", 0), 8);
  EXPECT_EQ(file.number("absent", 7), 7);
  EXPECT_TRUE(file.flag("flower_template"));
  EXPECT_FALSE(file.flag("hidden_size"));
  EXPECT_EQ(std::get<std::string>(file.config.at("note")), "\xC3\xA9");
  EXPECT_FALSE(file.config.contains("more"));
  ASSERT_EQ(file.blobs.size(), 2u);
  for (std::size_t layer = 0; layer < 2; ++layer) {
    EXPECT_EQ(file.blobs[layer].name, "blocks." + std::to_string(layer) + ".att.time_state");
    WeightTensor tensor;
    tensor.type = DataType::kF16;
    tensor.shape = {8 + layer};
    tensor.strides = {1};
    tensor.elements = 8 + layer;
    tensor.data = file.blobs[layer].data;
    EXPECT_EQ(tensor.data.size(), 2 * tensor.elements);
    EXPECT_EQ(values(tensor), counting(8 + layer));
  }
  EXPECT_EQ(file.find("blocks.1.att.time_state"), &file.blobs[1]);
  EXPECT_EQ(file.find("blocks.2.att.time_state"), nullptr);
}

TEST(Rmpack, FlagsAreTrueInEveryWayTheyAreWritten) {
  for (const char* text : {"true", "1", "\"true\"", "\"1\"", "\"yes\"", "\"on\""}) {
    const std::string bytes = container("{\"f\":" + std::string(text) + "}", {});
    EXPECT_TRUE(parse_rmpack(bytes_of(bytes), "x").flag("f")) << text;
  }
  for (const char* text : {"false", "0", "2", "\"no\"", "null", "[true]", "1.0"}) {
    const std::string bytes = container("{\"f\":" + std::string(text) + "}", {});
    EXPECT_FALSE(parse_rmpack(bytes_of(bytes), "x").flag("f")) << text;
  }
}

TEST(Rmpack, WhatDoesNotFitIsRefused) {
  EXPECT_NO_THROW(parse_rmpack(bytes_of(container("{}", {{"a", 4096, 4096}, {"b", 4096, 8192}})), "x"));
  expect_refused("RWKVMBLF", "does not begin with 'RWKVMBLE'");
  expect_refused(container("[]", {}), "no JSON object");
  expect_refused(container("7", {}), "no JSON object");
  expect_refused(container("{\"a\":}", {}), "not JSON");
  expect_refused(container("{} x", {}), "not JSON");
  expect_refused(container("{\"a\":1,\"a\":2}", {}), "the key 'a' twice");
  expect_refused(container("{\"a\":" + std::string(40, '[') + std::string(40, ']') + "}", {}), "nested too deeply");
  expect_refused("RWKVMBLE" + raw(0xFFFFFFFFu), "a configuration of more than a megabyte");
  expect_refused("RWKVMBLE" + raw(2u) + "{}" + raw(0xFFFFFFFFu), "more than any model has");
  expect_refused("RWKVMBLE" + raw(2u) + "{}" + raw(60'000u), "a name's length needs");
  expect_refused(container("{}", {{"", 1, 4096}}), "a file's name has 0 bytes");
  expect_refused(container("{}", {{"a", 1, 4096}, {"a", 1, 8192}}), "'a' occurs twice");
  expect_refused(container("{}", {{"a", 1, 4097}}), "no multiple of 4096");
  expect_refused(container("{}", {{"a", 12289, 4096}}), "reaches beyond the end");
  expect_refused(container("{}", {{"a", ~std::uint64_t{0}, 4096}}), "reaches beyond the end");
  expect_refused(container("{}", {{"a", 0, std::uint64_t{1} << 63}}), "reaches beyond the end");
  expect_refused(container("{}", {{"a", 1, 0}}), "overlap");
  expect_refused(container("{}", {{"a", 4097, 4096}, {"b", 1, 8192}}), "overlap");
}

TEST(Rmpack, CutOrWithAnyBitFlippedItIsRefusedOrRead) {
  const std::string bytes = fixture("state.rmpack");
  const auto parse = [](std::span<const std::byte> changed) { parse_rmpack(changed, "state.rmpack"); };
  EXPECT_EQ(cut_everywhere(bytes, parse).read, 0);
  const Outcomes outcomes = flip_everywhere(bytes, 0, 256, parse);
  EXPECT_GT(outcomes.refused, 500);
  EXPECT_GT(outcomes.read, 100);  // letters of names and texts
}

}  // namespace
}  // namespace rwkv::test
