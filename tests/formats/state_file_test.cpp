#include "formats/state_file.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <limits>

#include "base/error.h"
#include "support/old_state_file.h"
#include "support/scratch.h"

namespace rwkv {
namespace {

using test::old_state_file;
using test::read_file;
using test::ScratchFolder;
using test::write_file;

// Two layers of width 3 with two heads of 2 x 2.
StateFile state(StateType type = StateType::kF32) {
  StateFile file{type, 0x0123456789ABCDEFu, "llama.cpp", {1, 65535, 7}, {2, 3, 2, 2, {}}};
  for (int i = 0; i < 2 * (2 * 3 + 2 * 2 * 2); ++i) file.tensors.values.push_back(0.375f * static_cast<float>(i) - 2);
  return file;
}

ErrorCode refusal(const std::string& path) {
  try {
    read_state_file(path);
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find(path), std::string::npos) << error.what();
    return error.code();
  }
  ADD_FAILURE() << "accepted";
  return ErrorCode::kInternal;
}

void expect_equal(const StateFile& got, const StateFile& expected) {
  EXPECT_EQ(got.type, expected.type);
  EXPECT_EQ(got.fingerprint, expected.fingerprint);
  EXPECT_EQ(got.backend, expected.backend);
  EXPECT_EQ(got.tokens, expected.tokens);
  EXPECT_TRUE(got.tensors.has_shape_of(expected.tensors));
  EXPECT_EQ(got.tensors.values, expected.tensors.values);
}

template <class T>
T value_at(const std::string& bytes, std::size_t offset) {
  T value{};
  std::memcpy(&value, bytes.data() + offset, sizeof value);
  return value;
}

TEST(StateFile, ComesBackAsItWasWrittenInBothTypes) {
  const ScratchFolder scratch;
  const std::string path = scratch.path() / "状态.state";
  for (const StateType type : {StateType::kF32, StateType::kF16}) {
    write_state_file(path, state(type));
    expect_equal(read_state_file(path), state(type));
    EXPECT_EQ(std::filesystem::file_size(path), 80 + 4 * 3 + 28u * (type == StateType::kF32 ? 4 : 2));
  }
}

TEST(StateFile, IsLaidOutAsDocsFormatsSays) {
  const ScratchFolder scratch;
  const std::string path = scratch.path() / "a";
  write_state_file(path, state());
  const std::string bytes = read_file(path);
  EXPECT_EQ(bytes.substr(0, 8), "RWKVSTAT");
  EXPECT_EQ(value_at<std::uint32_t>(bytes, 8), 2u);
  EXPECT_EQ(value_at<std::uint32_t>(bytes, 12), 0u);
  EXPECT_EQ(value_at<std::uint64_t>(bytes, 16), 0x0123456789ABCDEFu);
  EXPECT_EQ(bytes.substr(24, 24), "llama.cpp" + std::string(15, '\0'));
  EXPECT_EQ(value_at<std::uint32_t>(bytes, 48), 2u);
  EXPECT_EQ(value_at<std::uint32_t>(bytes, 52), 3u);
  EXPECT_EQ(value_at<std::uint32_t>(bytes, 56), 2u);
  EXPECT_EQ(value_at<std::uint32_t>(bytes, 60), 2u);
  EXPECT_EQ(value_at<std::uint64_t>(bytes, 64), 3u);
  EXPECT_EQ(value_at<std::int32_t>(bytes, 84), 65535);
  EXPECT_EQ(value_at<float>(bytes, 92 + 4 * 4), 0.375f * 4 - 2);
}

TEST(StateFile, NothingInItMayBeEmptyByAccident) {
  const ScratchFolder scratch;
  const std::string path = scratch.path() / "a";
  write_state_file(path, {});
  EXPECT_TRUE(read_state_file(path).tokens.empty());
  write_file(path, "");
  EXPECT_EQ(refusal(path), ErrorCode::kBadFile);
}

TEST(StateFile, WhatItsTypeCannotHoldIsNotWritten) {
  const ScratchFolder scratch;
  const std::string path = scratch.path() / "a";
  for (const float value : {70000.0f, std::numeric_limits<float>::infinity(), std::nanf("")}) {
    StateFile file = state(StateType::kF16);
    file.tensors.values[5] = value;
    EXPECT_THROW(write_state_file(path, file), Error) << value;
    file.type = StateType::kF32;
    if (!std::isfinite(value)) {
      EXPECT_THROW(write_state_file(path, file), Error) << value;
    }
  }
  EXPECT_FALSE(std::filesystem::exists(path));
}

TEST(StateFile, AnyFlippedBitIsNoticed) {
  const ScratchFolder scratch;
  const std::string path = scratch.path() / "a";
  write_state_file(path, state());
  const std::string whole = read_file(path);
  for (std::size_t i = 0; i < whole.size() * 8; ++i) {
    std::string bytes = whole;
    bytes[i / 8] = static_cast<char>(bytes[i / 8] ^ (1 << (i % 8)));
    write_file(path, bytes);
    ASSERT_EQ(refusal(path), ErrorCode::kBadFile) << "bit " << i;
  }
}

TEST(StateFile, CutOffOrLongerIsRefused) {
  const ScratchFolder scratch;
  const std::string path = scratch.path() / "a";
  write_state_file(path, state());
  const std::string whole = read_file(path);
  for (std::size_t size = 0; size < whole.size(); ++size) {
    write_file(path, whole.substr(0, size));
    ASSERT_EQ(refusal(path), ErrorCode::kBadFile) << size;
  }
  write_file(path, whole + "x");
  EXPECT_EQ(refusal(path), ErrorCode::kBadFile);
}

TEST(StateFile, MissingIsNotFoundAndUnwritableIsIo) {
  const ScratchFolder scratch;
  EXPECT_EQ(refusal(scratch.path() / "none"), ErrorCode::kNotFound);
  try {
    write_state_file(scratch.path() / "no" / "folder", state());
    ADD_FAILURE() << "written";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kIo);
  }
}

TEST(StateFile, AFailedWriteLeavesTheOldFileAndNothingElse) {
  const ScratchFolder scratch;
  // A folder cannot be replaced by a file: the rename fails after everything was written.
  const auto target = scratch.path() / "target";
  std::filesystem::create_directory(target);
  write_file(target / "inside", "kept");
  EXPECT_THROW(write_state_file(target, state()), Error);
  EXPECT_EQ(read_file(target / "inside"), "kept");
  int entries = 0;
  for (const auto& entry : std::filesystem::directory_iterator(scratch.path())) entries += entry.exists() ? 1 : 0;
  EXPECT_EQ(entries, 1);
}

TEST(OldStateFile, GivesItsParts) {
  const std::string bytes = old_state_file("a state", {5, 6}, 3);
  const OldStateFile file = parse_old_state_file(std::as_bytes(std::span(bytes)), "old");
  EXPECT_EQ(file.tokens, (Tokens{5, 6}));
  EXPECT_EQ(std::string(reinterpret_cast<const char*>(file.state.data()), file.state.size()), "a state");
}

// Its first bytes are a size, which can be those of other files as well.
TEST(OldStateFile, IsTakenForAnotherKindOnlyWhereItsPartsDoNotFit) {
  const std::string bytes = old_state_file(std::string(0x0280, 's'), {5, 6}, 3);  // begins as a pickle does
  EXPECT_EQ(parse_old_state_file(std::as_bytes(std::span(bytes)), "old").tokens, (Tokens{5, 6}));
  for (const auto& [other, part] : {std::pair<std::string, std::string>{"<html><body>Sign in", "'old' is a web page"},
                                    {"GGUF and what follows", "is a model (GGUF), not the saved state"},
                                    {"PK\x03\x04 and what follows", "is a PyTorch checkpoint, not the saved state"}}) {
    try {
      parse_old_state_file(std::as_bytes(std::span(other)), "old");
      ADD_FAILURE() << other;
    } catch (const Error& error) {
      EXPECT_NE(std::string(error.what()).find(part), std::string::npos) << error.what();
    }
  }
}

TEST(OldStateFile, IsRefusedUnlessAllPartsFitExactly) {
  const std::string whole = old_state_file("a state", {5, 6}, 3);
  const auto refused = [](const std::string& bytes) {
    EXPECT_THROW(parse_old_state_file(std::as_bytes(std::span(bytes)), "old"), Error) << bytes.size();
  };
  for (std::size_t size = 0; size < whole.size(); ++size) refused(whole.substr(0, size));
  refused(whole + "x");
  refused(old_state_file("", {5}, 3));
  refused(old_state_file("s", {}, 3));
  for (const std::size_t at : {0u, 11u, 23u}) {  // the three sizes
    for (int bit = 0; bit < 32; ++bit) {
      std::string bytes = whole;
      bytes[at + static_cast<std::size_t>(bit) / 8] ^= static_cast<char>(1 << bit % 8);
      refused(bytes);
    }
  }
}

}  // namespace
}  // namespace rwkv
