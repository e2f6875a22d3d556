#include "formats/state_file.h"

#include <gtest/gtest.h>

#include "base/error.h"
#include "support/scratch.h"

namespace rwkv {
namespace {

using test::read_file;
using test::ScratchFolder;
using test::write_file;

const Tokens kTokens{1, 65535, 7};

std::vector<std::byte> state() {
  std::vector<std::byte> bytes;
  for (int i = 0; i < 41; ++i) bytes.push_back(static_cast<std::byte>(i * 37));
  return bytes;
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

TEST(StateFile, ComesBackAsItWasWritten) {
  const ScratchFolder scratch;
  const std::string path = scratch.path() / "状态.state";
  write_state_file(path, kTokens, state());
  const StateFile file = read_state_file(path);
  EXPECT_EQ(file.tokens, kTokens);
  EXPECT_EQ(file.state, state());
  EXPECT_EQ(std::filesystem::file_size(path), 32 + 4 * 3 + 41u);
}

TEST(StateFile, NothingInItMayBeEmptyByAccident) {
  const ScratchFolder scratch;
  const std::string path = scratch.path() / "a";
  write_state_file(path, {}, {});
  EXPECT_TRUE(read_state_file(path).tokens.empty());
  write_file(path, "");
  EXPECT_EQ(refusal(path), ErrorCode::kBadFile);
}

TEST(StateFile, AnyFlippedBitIsNoticed) {
  const ScratchFolder scratch;
  const std::string path = scratch.path() / "a";
  write_state_file(path, kTokens, state());
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
  write_state_file(path, kTokens, state());
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
    write_state_file(scratch.path() / "no" / "folder", kTokens, state());
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
  EXPECT_THROW(write_state_file(target, kTokens, state()), Error);
  EXPECT_EQ(read_file(target / "inside"), "kept");
  int entries = 0;
  for (const auto& entry : std::filesystem::directory_iterator(scratch.path())) entries += entry.exists() ? 1 : 0;
  EXPECT_EQ(entries, 1);
}

}  // namespace
}  // namespace rwkv
