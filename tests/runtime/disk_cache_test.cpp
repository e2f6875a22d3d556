// States in files: found by the next process, bounded, harmless when damaged.
#include "runtime/disk_cache.h"

#include <gtest/gtest.h>

#include "support/language_models.h"

namespace rwkv {
namespace {

namespace fs = std::filesystem;
using test::load_language_model;
using test::ScratchFolder;

constexpr std::uint64_t kMuch = std::uint64_t{1} << 30;

GenerationResult ask(LanguageModel& model, const std::vector<std::string>& messages) {
  GenerationOptions options;
  options.sampler.top_p = 0.95f;
  options.seed = 11;
  options.max_tokens = 30;
  const GenerationResult result =
      model.generate(model.chat_prompt({}, alternate_roles(messages), true, false), options, {}, CancelToken());
  model.wait_until_settled();
  return result;
}

void wait_until_written(LanguageModel& model) { model.cache().disk()->wait_until_written(); }

std::vector<fs::path> files_in(const fs::path& folder) {
  std::vector<fs::path> files;
  for (const auto& entry : fs::recursive_directory_iterator(folder)) {
    if (entry.is_regular_file()) files.push_back(entry.path());
  }
  return files;
}

const std::string kQuestion = "My name is Mira. What is 20 + 31?";

TEST(DiskCache, AConversationGoesOnAfterTheProcessWasKilledWithoutBeingReadAgain) {
  const ScratchFolder scratch;
  const std::string folder = scratch.path() / "状态";
  std::vector<std::string> talk{kQuestion};
  Tokens expected;
  {
    const auto model = load_language_model();
    model->set_state_folder(folder, kMuch);
    talk.push_back(ask(*model, talk).text);
    wait_until_written(*model);
    talk.push_back("What is my name?");
    model->set_state_folder("", 0);
    expected = ask(*model, talk).tokens;
  }
  const auto fresh = load_language_model();
  const GenerationResult read = ask(*fresh, talk);
  EXPECT_EQ(read.cached_tokens, 0);
  EXPECT_EQ(read.tokens, expected);
  const auto next = load_language_model();
  next->set_state_folder(folder, kMuch);
  const GenerationResult found = ask(*next, talk);
  EXPECT_EQ(found.tokens, expected);
  // Only the new turn is read.
  const auto known =
      next->chat_prompt({}, alternate_roles(std::vector<std::string>(talk.begin(), talk.end() - 1)), false, false);
  EXPECT_GE(found.cached_tokens + 4, static_cast<int>(known.tokens.size()));
}

TEST(DiskCache, WhatMemoryHasNoRoomForIsFoundOnDisk) {
  const ScratchFolder scratch;
  const auto model = load_language_model();
  model->set_state_folder(scratch.path(), kMuch);
  const GenerationResult first = ask(*model, {kQuestion});
  model->cache().shrink_to(0);
  EXPECT_EQ(model->cache().stats().entries, 0u);
  wait_until_written(*model);
  const GenerationResult again = ask(*model, {kQuestion});
  EXPECT_GT(again.cached_tokens, 0);
  EXPECT_EQ(again.tokens, first.tokens);
}

TEST(DiskCache, ItsFilesStayBelowTheLimit) {
  const ScratchFolder scratch;
  const auto model = load_language_model();
  const std::uint64_t one = model->info().state_bytes + 4096;
  const std::uint64_t limit = 3 * one;
  model->set_state_folder(scratch.path(), limit);
  for (int i = 0; i < 8; ++i) {
    ask(*model, {"What is " + std::to_string(10 + i) + " + 31?"});
    wait_until_written(*model);
    std::uint64_t bytes = 0;
    for (const auto& file : files_in(scratch.path())) bytes += fs::file_size(file);
    EXPECT_LE(bytes, limit);
    EXPECT_EQ(bytes, model->cache().disk()->stats().bytes);
  }
  EXPECT_GE(model->cache().disk()->stats().entries, 2u);
  // A smaller limit counts at the next start.
  model->set_state_folder(scratch.path(), one);
  wait_until_written(*model);
  EXPECT_LE(files_in(scratch.path()).size(), 1u);
}

TEST(DiskCache, DamagedAndStrangeFilesAreNoUseAndNoHarm) {
  const ScratchFolder scratch;
  Tokens expected;
  {
    const auto model = load_language_model();
    model->set_state_folder(scratch.path(), kMuch);
    ask(*model, {kQuestion});
    expected = ask(*model, {kQuestion, "51", "What is my name?"}).tokens;
    wait_until_written(*model);
  }
  const auto files = files_in(scratch.path());
  ASSERT_FALSE(files.empty());
  for (const auto& file : files) {
    std::string bytes = test::read_file(file);
    bytes[bytes.size() - 5] ^= 1;  // in the values, which are looked at when they are needed
    test::write_file(file, bytes);
  }
  test::write_file(files[0].parent_path() / "0000000000000000.state", "no state");
  test::write_file(files[0].parent_path() / "notes.txt", "a stranger's");
  const auto model = load_language_model();
  model->set_state_folder(scratch.path(), kMuch);
  EXPECT_FALSE(fs::exists(files[0].parent_path() / "0000000000000000.state"));
  const GenerationResult result = ask(*model, {kQuestion, "51", "What is my name?"});
  EXPECT_EQ(result.cached_tokens, 0);
  EXPECT_EQ(result.tokens, expected);
  EXPECT_TRUE(fs::exists(files[0].parent_path() / "notes.txt"));
}

TEST(DiskCache, MemoryThatIsReleasedLeavesTheFiles) {
  const ScratchFolder scratch;
  const auto model = load_language_model();
  model->set_state_folder(scratch.path(), kMuch);
  ask(*model, {kQuestion});
  wait_until_written(*model);
  const auto files = files_in(scratch.path());
  ASSERT_FALSE(files.empty());
  model->cache().release();
  wait_until_written(*model);
  EXPECT_EQ(model->cache().stats().entries, 0u);
  EXPECT_EQ(files_in(scratch.path()), files);
}

TEST(DiskCache, ClearingForgetsTheFilesToo) {
  const ScratchFolder scratch;
  const auto model = load_language_model();
  model->set_state_folder(scratch.path(), kMuch);
  ask(*model, {kQuestion});
  wait_until_written(*model);
  ASSERT_FALSE(files_in(scratch.path()).empty());
  model->cache().clear();
  wait_until_written(*model);
  EXPECT_TRUE(files_in(scratch.path()).empty());
  EXPECT_EQ(ask(*model, {kQuestion}).cached_tokens, 0);
}

TEST(DiskCache, ModelsShareAFolderAndNotTheirStates) {
  const ScratchFolder scratch;
  const auto model = load_language_model();
  const auto other = load_language_model(std::string(RWKV_SOURCE_DIR) + "/tests/data/rwkv6/model.gguf");
  model->set_state_folder(scratch.path(), kMuch);
  other->set_state_folder(scratch.path(), kMuch);
  ask(*model, {kQuestion});
  wait_until_written(*model);
  EXPECT_EQ(other->cache().disk()->stats().entries, 0u);
}

TEST(DiskCache, AFolderThatCannotBeMadeIsAnError) {
  const ScratchFolder scratch;
  test::write_file(scratch.path() / "file", "x");
  const auto model = load_language_model();
  try {
    model->set_state_folder(scratch.path() / "file" / "folder", kMuch);
    ADD_FAILURE() << "accepted";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kIo);
  }
  EXPECT_FALSE(ask(*model, {kQuestion}).tokens.empty());
}

}  // namespace
}  // namespace rwkv
