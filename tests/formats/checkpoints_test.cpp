// Checkpoints by independent writers (torch, zipfile, tools/reference/checkpoint_files.py) come back as they were.
#include <gtest/gtest.h>

#include <algorithm>

#include "base/crc32.h"
#include "base/error.h"
#include "formats/pth.h"
#include "formats/safetensors.h"
#include "formats/weight_values.h"
#include "support/hostile.h"

namespace rwkv::test {
namespace {

using Shape = std::vector<std::uint64_t>;

WeightFile read(const std::string& bytes, const std::string& name) {
  return name.ends_with(".pth") ? parse_pth(bytes_of(bytes), name) : parse_safetensors(bytes_of(bytes), name);
}

void expect_refused(const std::string& bytes, const std::string& name, const std::string& reason, ErrorCode code) {
  try {
    read(bytes, name);
    ADD_FAILURE() << name << " was read; expected: " << reason;
  } catch (const Error& error) {
    EXPECT_EQ(to_string(error.code()), to_string(code)) << error.what();
    EXPECT_NE(std::string(error.what()).find(reason), std::string::npos) << error.what();
    EXPECT_NE(std::string(error.what()).find("'" + name + "'"), std::string::npos) << error.what();
  }
}

TEST(Checkpoints, TensorsOfAllWritersComeBack) {
  for (const char* name : {"mixed.pth", "zipfile.pth", "zip64.pth", "protocol4.pth", "mixed.safetensors"}) {
    SCOPED_TRACE(name);
    const std::string bytes = fixture(name);
    const WeightFile file = read(bytes, name);
    ASSERT_EQ(file.tensors().size(), 9u);
    const auto check = [&](const char* tensor_name, const char* description, const std::vector<double>& expected) {
      const WeightTensor* tensor = file.find(tensor_name);
      ASSERT_NE(tensor, nullptr) << tensor_name;
      EXPECT_EQ(tensor->describe(), description);
      EXPECT_EQ(values(*tensor), expected) << tensor_name;
    };
    check("f32", "F32 [2, 3]", counting(6));
    check("f16", "F16 [5]", counting(5));
    check("bf16", "BF16 [1, 2, 2]", counting(4));
    check("f64", "F64 [3]", counting(3));
    check("i64", "I64 [3]", {0, 1, 2});
    check("scalar", "F32 []", {2.5});
    check("empty", "F32 [0, 3]", {});
    check("slice", "F32 [5]", {1.5, 2.5, 3.5, 4.5, 5.5});
    const auto c = counting(12);
    check("transposed", "F32 [4, 3]", {c[0], c[4], c[8], c[1], c[5], c[9], c[2], c[6], c[10], c[3], c[7], c[11]});
    EXPECT_EQ(file.find("absent"), nullptr);
  }
}

TEST(Checkpoints, EachTensorLiesInAStorageWhoseChecksumItsWriterStated) {
  for (const char* name : {"mixed.pth", "zipfile.pth", "zip64.pth", "protocol4.pth", "state_dict.pth"}) {
    SCOPED_TRACE(name);
    const std::string bytes = fixture(name);
    const WeightFile file = read(bytes, name);
    for (const WeightStorage& storage : file.storages()) {
      EXPECT_NE(storage.name.find("/data/"), std::string_view::npos) << storage.name;
      EXPECT_EQ(crc32(storage.data), storage.crc) << storage.name;
    }
    for (const auto& [tensor_name, tensor] : file.tensors()) {
      if (tensor.elements == 0) continue;
      const auto holds = [&data = tensor.data](const WeightStorage& storage) {
        return data.data() >= storage.data.data() &&
               data.data() + data.size() <= storage.data.data() + storage.data.size();
      };
      EXPECT_EQ(std::count_if(file.storages().begin(), file.storages().end(), holds), 1) << tensor_name;
    }
  }
  const std::string bytes = fixture("mixed.safetensors");
  EXPECT_TRUE(read(bytes, "mixed.safetensors").storages().empty());  // that format has no checksums
}

TEST(Checkpoints, DictsAreFoundWhereTrainersPutThem) {
  for (const char* name : {"state_dict.pth", "nested.pth"}) {
    const std::string bytes = fixture(name);
    const WeightFile file = read(bytes, name);
    ASSERT_EQ(file.tensors().size(), 2u) << name;
    EXPECT_EQ(file.find("weight")->shape, (Shape{2, 3}));
    EXPECT_EQ(values(*file.find("weight")), counting(6));
    EXPECT_EQ(values(*file.find("bias")), counting(2));
  }
  const std::string bytes = fixture("time_state.pth");
  const WeightFile file = read(bytes, "time_state.pth");
  EXPECT_EQ(values(*file.find("0")), counting(2));
  EXPECT_EQ(file.find("blocks.0.att.time_state")->describe(), "BF16 [2, 2, 2]");
}

TEST(Checkpoints, WhatIsNoPlainCheckpointIsRefusedWithTheReason) {
  expect_refused(fixture("harmful.pth"), "harmful.pth", "calls 'posix.system'", ErrorCode::kUnsupported);
  EXPECT_FALSE(std::filesystem::exists("harmed"));
  expect_refused(fixture("legacy.pth"), "legacy.pth", "saved again", ErrorCode::kUnsupported);
  expect_refused(fixture("deflated.pth"), "deflated.pth", "compressed", ErrorCode::kUnsupported);
  expect_refused(fixture("mixed.safetensors"), "x.pth", "no PyTorch checkpoint", ErrorCode::kUnsupported);
  expect_refused(fixture("mixed.pth"), "x.safetensors", "is it safetensors?", ErrorCode::kBadFile);
  expect_refused("", "x.safetensors", "the header's length", ErrorCode::kBadFile);
}

TEST(Checkpoints, CutAtAnyByteTheyAreRefused) {
  for (const char* name : {"mixed.pth", "zipfile.pth", "zip64.pth", "state_dict.pth", "mixed.safetensors"}) {
    const std::string bytes = fixture(name);
    const Outcomes outcomes = cut_everywhere(bytes, [&](std::span<const std::byte> cut) {
      const std::string path = name;
      touch(path.ends_with(".pth") ? parse_pth(cut, path) : parse_safetensors(cut, path));
    });
    EXPECT_EQ(outcomes.read, 0) << name;
    EXPECT_EQ(outcomes.refused, static_cast<int>(bytes.size())) << name;
  }
}

TEST(Checkpoints, WithAnyBitFlippedTheyAreRefusedOrRead) {
  for (const char* name : {"mixed.pth", "zip64.pth", "mixed.safetensors"}) {
    const std::string bytes = fixture(name);
    const Outcomes outcomes = flip_everywhere(bytes, 0, bytes.size(), [&](std::span<const std::byte> flipped) {
      const std::string path = name;
      touch(path.ends_with(".pth") ? parse_pth(flipped, path) : parse_safetensors(flipped, path));
    });
    EXPECT_GT(outcomes.read, 500) << name;  // dates, attributes, tensor data
    EXPECT_GT(outcomes.refused, 3000) << name;
  }
}

TEST(Checkpoints, FlippedBitInThePickleIsAlwaysRefused) {
  const std::string bytes = fixture("mixed.pth");
  const std::size_t begin = bytes.find("\x80\x02}");
  const std::size_t end = bytes.find("PK\x03\x04", begin);
  const Outcomes outcomes = flip_everywhere(
      bytes, begin, begin + 600, [&](std::span<const std::byte> flipped) { parse_pth(flipped, "mixed.pth"); });
  ASSERT_GT(end, begin + 600);
  EXPECT_EQ(outcomes.read, 0);
}

}  // namespace
}  // namespace rwkv::test
