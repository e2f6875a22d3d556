// States in files: found by the next process, bounded, harmless when damaged.
#include "runtime/disk_cache.h"

#include <gtest/gtest.h>
#ifndef _WIN32
#include <sys/wait.h>
#include <unistd.h>
#endif

#include <chrono>
#include <functional>

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

std::uint64_t bytes_in(const fs::path& folder) {
  std::uint64_t bytes = 0;
  for (const auto& file : files_in(folder)) bytes += fs::file_size(file);
  return bytes;
}

void make_older(const fs::path& file, std::chrono::minutes age) {
  fs::last_write_time(file, fs::file_time_type::clock::now() - age);
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
    const std::uint64_t bytes = bytes_in(scratch.path());
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

TEST(DiskCache, WhatIsNotItsOwnStaysHoweverOld) {
  const ScratchFolder scratch;
  const auto model = load_language_model();
  model->set_state_folder(scratch.path(), kMuch);
  ask(*model, {kQuestion});
  wait_until_written(*model);
  const fs::path state = files_in(scratch.path()).front();
  const fs::path folder = state.parent_path();
  const std::vector<std::string> strange{"notes.txt",
                                         "upload.tmp",
                                         "0123.state",
                                         "readme.state",
                                         "part.12-3.tmp",
                                         state.filename().string() + ".txt",
                                         state.filename().string() + ".mine.tmp"};
  for (const std::string& name : strange) test::write_file(folder / name, "not to be touched");
  const fs::path left = folder / (state.filename().string() + ".4711-3.tmp");
  const fs::path fresh = folder / (state.filename().string() + ".4712-0.tmp");
  test::write_file(left, "a process that was killed");
  test::write_file(fresh, "a process that writes");
  for (const auto& file : files_in(folder)) {
    if (file != fresh) make_older(file, std::chrono::hours{100});
  }
  model->set_state_folder(scratch.path(), kMuch);
  for (const std::string& name : strange) EXPECT_TRUE(fs::exists(folder / name)) << name;
  EXPECT_FALSE(fs::exists(left));
  EXPECT_TRUE(fs::exists(fresh));
  EXPECT_TRUE(fs::exists(state));
  // What is being written takes room, strangers' files are not the cache's.
  std::uint64_t states = fs::file_size(fresh);
  for (const auto& file : files_in(folder)) states += file.extension() == ".state" ? fs::file_size(file) : 0;
  EXPECT_EQ(model->cache().disk()->stats().bytes + 2 * std::string("not to be touched").size(), states);
  model->cache().clear();
  wait_until_written(*model);
  for (const std::string& name : strange) EXPECT_TRUE(fs::exists(folder / name)) << name;
}

TEST(DiskCache, AFolderThatIsRemovedWhileUsedIsMadeAgain) {
  const ScratchFolder scratch;
  const fs::path folder = scratch.path() / "states";
  const auto model = load_language_model();
  model->set_state_folder(folder, kMuch);
  ask(*model, {kQuestion});
  wait_until_written(*model);
  fs::remove_all(folder);
  EXPECT_EQ(model->cache().disk()->stats().bytes, 0u);
  EXPECT_EQ(model->cache().disk()->stats().entries, 0u);
  ask(*model, {"What is 3 + 4?"});
  wait_until_written(*model);
  EXPECT_GT(bytes_in(folder), 0u);
  EXPECT_EQ(model->cache().disk()->stats().bytes, bytes_in(folder));
  // What was there before is written again when it is used again.
  const std::size_t files = files_in(folder).size();
  ask(*model, {kQuestion});
  model->cache().shrink_to(0);
  wait_until_written(*model);
  EXPECT_GT(files_in(folder).size(), files);
}

TEST(DiskCache, TheFileUsedLongestAgoGoesFirst) {
  const ScratchFolder scratch;
  const auto model = load_language_model();
  model->set_state_folder(scratch.path(), kMuch);
  const auto states_after = [&](const std::string& question) {
    const auto before = files_in(scratch.path());
    ask(*model, {question});
    wait_until_written(*model);
    std::vector<fs::path> added;
    for (const auto& file : files_in(scratch.path())) {
      if (std::find(before.begin(), before.end(), file) == before.end()) added.push_back(file);
    }
    return added;
  };
  const auto first = states_after(kQuestion);
  const auto second = states_after("What is 7 + 8?");
  ASSERT_FALSE(first.empty());
  ASSERT_FALSE(second.empty());
  for (const auto& file : first) make_older(file, std::chrono::minutes{20});
  for (const auto& file : second) make_older(file, std::chrono::minutes{10});
  // Found on disk, and that is a use of it.
  model->cache().release();
  EXPECT_GT(ask(*model, {kQuestion, "51", "What is my name?"}).cached_tokens, 0);
  wait_until_written(*model);
  model->set_state_folder(scratch.path(), bytes_in(scratch.path()) - 1);
  for (const auto& file : first) EXPECT_TRUE(fs::exists(file));
  EXPECT_FALSE(fs::exists(second.front()));
}

#ifndef _WIN32
// Whether `run` ended well in a process of its own, all of them at once.
bool in_processes(int count, const std::function<void(int)>& run) {
  std::vector<pid_t> children;
  for (int i = 0; i < count; ++i) {
    const pid_t child = fork();
    if (child != 0) {
      children.push_back(child);
      continue;
    }
    try {
      run(i);
      _exit(0);
    } catch (...) {
      _exit(1);
    }
  }
  bool good = true;
  for (const pid_t child : children) {
    int status = -1;
    good &= child > 0 && waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 0;
  }
  return good;
}

TEST(DiskCache, SeveralProcessesKeepToOneBound) {
  const ScratchFolder scratch;
  const std::uint64_t limit = 4 * (load_language_model()->info().state_bytes + 4096);
  ASSERT_TRUE(in_processes(3, [&](int process) {
    const auto model = load_language_model();
    model->set_state_folder(scratch.path(), limit);
    for (int i = 0; i < 8; ++i) {
      ask(*model, {"What is " + std::to_string(10 * process + i) + " + 31?"});
      wait_until_written(*model);
    }
  }));
  EXPECT_LE(bytes_in(scratch.path()), limit);
  EXPECT_GT(2 * bytes_in(scratch.path()), limit);
  for (const auto& file : files_in(scratch.path())) EXPECT_EQ(file.extension(), ".state");
}

TEST(DiskCache, WhatAnotherProcessWroteIsFound) {
  const ScratchFolder scratch;
  const auto model = load_language_model();
  model->set_state_folder(scratch.path(), kMuch);
  ASSERT_TRUE(in_processes(1, [&](int) {
    const auto other = load_language_model();
    other->set_state_folder(scratch.path(), kMuch);
    ask(*other, {kQuestion});
    wait_until_written(*other);
  }));
  EXPECT_EQ(model->cache().disk()->stats().bytes, bytes_in(scratch.path()));
  EXPECT_GT(bytes_in(scratch.path()), 0u);
  ask(*model, {"What is 3 + 4?"});
  wait_until_written(*model);
  EXPECT_GT(ask(*model, {kQuestion, "51", "What is my name?"}).cached_tokens, 0);
}
#endif

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

// Their numbers differ in the last bits.
TEST(DiskCache, EnginesShareAFolderAndNotTheirStates) {
  const ScratchFolder scratch;
  const auto load = [](const char* backend) {
    ModelRequest request;
    request.model_path = test::kModel;
    request.backend = backend;
    return LanguageModel::load(request);
  };
  const auto first = load("llama.cpp");
  first->set_state_folder(scratch.path(), kMuch);
  const std::vector<std::string> next{kQuestion, ask(*first, {kQuestion}).text, "What is my name?"};
  wait_until_written(*first);
  const auto other = load("native");
  other->set_state_folder(scratch.path(), kMuch);
  EXPECT_GT(other->cache().disk()->stats().entries, 0u);
  EXPECT_EQ(ask(*other, next).cached_tokens, 0);
  wait_until_written(*other);
  const auto again = load("llama.cpp");
  again->set_state_folder(scratch.path(), kMuch);
  EXPECT_GT(ask(*again, next).cached_tokens, 0);
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
  try {
    model->set_state_folder((scratch.path() / "states").string() + std::string("\0x", 2), kMuch);
    ADD_FAILURE() << "accepted";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kInvalidArgument);
  }
  EXPECT_FALSE(fs::exists(scratch.path() / "states"));
  EXPECT_FALSE(ask(*model, {kQuestion}).tokens.empty());
}

}  // namespace
}  // namespace rwkv
