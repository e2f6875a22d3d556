// What models take and remember, bounded and given back through the C functions; and ids, which name one load alone.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <string>

#include "c_test.h"
#include "rwkv_bridge.h"
#include "rwkv_mobile.hpp"
#include "support/scratch.h"

namespace {

namespace fs = std::filesystem;
using rwkv::test::ScratchFolder;
using rwkv_mobile::Model;
using rwkv_mobile::Runtime;

constexpr std::int64_t kMegabyte = std::int64_t{1} << 20;

std::string ask(Model& model, const std::string& question) {
  model.set_sampler({1, 1, 1});
  model.set_penalties({0, 0, 0});
  model.chat({question}, 50);
  model.wait();
  return model.response().text;
}

std::string remembered(const Model& model) {
  const char* info = rwkvmobile_get_state_cache_info(model.runtime(), model.id());
  const std::string text = info;
  rwkvmobile_free_state_cache_info(info);
  return text;
}

// What is read once more after an answer has been read.
void settle(const Model& model) {
  std::string last;
  do {
    last = remembered(model);
    sleep_ms(100);
  } while (last.empty() || last != remembered(model));
}

std::string needing(const ScratchFolder& folder, int megabytes) {
  const fs::path path = folder.path() / (std::to_string(megabytes) + ".json");
  rwkv::test::write_file(
      path, R"({"rwkv_script": 1, "needs_mb": )" + std::to_string(megabytes) + R"(, "replies": [{"say": "hello"}]})");
  return path.string();
}

std::int64_t bytes_in(const fs::path& folder) {
  std::int64_t bytes = 0;
  for (const auto& file : fs::recursive_directory_iterator(folder)) {
    if (file.is_regular_file()) bytes += static_cast<std::int64_t>(file.file_size());
  }
  return bytes;
}

TEST(CApiMemory, WhatAModelRemembersIsBounded) {
  Runtime runtime;
  Model model = runtime.load(MODEL);
  EXPECT_EQ(ask(model, "What is 47+38?"), "85");
  ask(model, "What is 3+4?");
  EXPECT_NE(remembered(model), "");
  model.set_state_cache_limit(0);
  EXPECT_EQ(remembered(model), "");
  const std::int64_t empty = runtime.memory_in_use();
  model.set_state_cache_limit(kMegabyte);
  for (int i = 0; i < 12; ++i) {
    ask(model, "What is 5" + std::to_string(i) + "+31?");
    EXPECT_LE(runtime.memory_in_use(), empty + kMegabyte);
  }
  EXPECT_GT(runtime.memory_in_use(), empty);
  EXPECT_EQ(ask(model, "What is 47+38?"), "85");
}

TEST(CApiMemory, WhatAModelRemembersIsKeptInABoundedFolder) {
  const ScratchFolder folder;
  Runtime runtime;
  {
    Model model = runtime.load(MODEL);
    model.set_state_folder((folder.path() / "states").string(), kMegabyte);
    for (int i = 0; i < 6; ++i) ask(model, "What is 5" + std::to_string(i) + "+31?");
    model.set_state_cache_limit(0);
  }
  EXPECT_GT(bytes_in(folder.path()), 0);
  EXPECT_LE(bytes_in(folder.path()), kMegabyte);
  Model model = runtime.load(MODEL);
  model.set_state_folder((folder.path() / "none").string(), kMegabyte);
  model.set_state_folder("", 0);
  ask(model, "What is 5+31?");
  EXPECT_EQ(bytes_in(folder.path() / "none"), 0);
}

TEST(CApiMemory, AModelThatDoesNotFitTheBudgetIsRefused) {
  const ScratchFolder folder;
  Runtime runtime;
  runtime.set_memory_budget(100 * kMegabyte);
  const Model first = runtime.load(needing(folder, 60), "scripted");
  EXPECT_EQ(runtime.memory_in_use(), 60 * kMegabyte);
  try {
    runtime.load(needing(folder, 50), "scripted");
    ADD_FAILURE() << "loaded";
  } catch (const rwkv_mobile::Error& error) {
    EXPECT_EQ(error.bits(), RWKV_ERROR_ALLOC);
    EXPECT_NE(std::string(error.what()).find("budget 100 MB"), std::string::npos) << error.what();
  }
  Runtime other;
  const Model elsewhere = other.load(needing(folder, 50), "scripted");
  runtime.set_memory_budget(0);
  const Model second = runtime.load(needing(folder, 50), "scripted");
  EXPECT_EQ(runtime.memory_in_use(), 110 * kMegabyte);
}

TEST(CApiMemory, AModelAsleepIsWokenByWhatNeedsIt) {
  const ScratchFolder folder;
  Runtime runtime;
  Model older = runtime.load(needing(folder, 60), "scripted");
  Model newer = runtime.load(needing(folder, 50), "scripted");
  EXPECT_EQ(ask(older, "Hi"), "hello");
  EXPECT_EQ(ask(newer, "Hi"), "hello");
  // The one used longest ago, and no more than is necessary.
  runtime.set_memory_budget(55 * kMegabyte);
  EXPECT_LE(runtime.memory_in_use(), 55 * kMegabyte);
  EXPECT_GE(runtime.memory_in_use(), 50 * kMegabyte);
  EXPECT_EQ(ask(newer, "Hi"), "hello");
  older.chat({"Hi"}, 10);
  EXPECT_THROW(older.wait(), rwkv_mobile::Error);  // it does not fit any more
  runtime.set_memory_budget(0);
  EXPECT_EQ(ask(older, "Hi"), "hello");
}

TEST(CApiMemory, PressureTakesStatesFirstAndWeightsLast) {
  Runtime runtime;
  Model model = runtime.load(MODEL);
  ask(model, "What is 47+38?");
  ask(model, "What is 64+29?");
  settle(model);
  const auto lines = [&] {
    const std::string text = remembered(model);
    return std::count(text.begin(), text.end(), '\n');
  };
  const auto before = lines();
  const std::int64_t all = runtime.memory_in_use();
  runtime.release_memory(RWKV_PRESSURE_MODERATE);
  EXPECT_LT(lines(), before);
  EXPECT_GT(lines(), 0);
  EXPECT_LT(runtime.memory_in_use(), all);
  runtime.release_memory(RWKV_PRESSURE_LOW);
  EXPECT_EQ(remembered(model), "");
  EXPECT_GT(runtime.memory_in_use(), 0);
  runtime.release_memory(RWKV_PRESSURE_CRITICAL);
  EXPECT_EQ(runtime.memory_in_use(), 0);
  EXPECT_EQ(ask(model, "What is 47+38?"), "85");
  EXPECT_GT(runtime.memory_in_use(), 0);
}

TEST(CApiMemory, WhatMakesNoSenseIsRefusedAndChangesNothing) {
  const ScratchFolder folder;
  Runtime runtime;
  Model model = runtime.load(MODEL);
  ask(model, "What is 47+38?");
  EXPECT_EQ(rwkv_ext_set_state_cache_limit(runtime.handle(), model.id(), -1), 8);
  EXPECT_EQ(rwkv_ext_set_state_cache_limit(runtime.handle(), 77, 0), 264);
  EXPECT_EQ(rwkv_ext_set_state_folder(runtime.handle(), model.id(), nullptr, 1), 8);
  EXPECT_EQ(rwkv_ext_set_state_folder(runtime.handle(), model.id(), "x", -1), 8);
  EXPECT_EQ(rwkv_ext_set_state_folder(runtime.handle(), 77, "x", 1), 264);
  rwkv::test::write_file(folder.path() / "file", "no folder");
  EXPECT_EQ(rwkv_ext_set_state_folder(runtime.handle(), model.id(), (folder.path() / "file").c_str(), 1), 257);
  EXPECT_EQ(rwkv_ext_set_memory_budget(runtime.handle(), -1), 8);
  EXPECT_EQ(rwkv_ext_release_memory(runtime.handle(), 3), 8);
  EXPECT_EQ(rwkv_ext_release_memory(runtime.handle(), -1), 8);
  EXPECT_EQ(rwkv_ext_release_memory(nullptr, RWKV_PRESSURE_LOW), 8);
  EXPECT_EQ(rwkv_ext_memory_in_use(nullptr), 0);
  EXPECT_NE(remembered(model), "");
}

// Smallest free ids, as the existing engine gives them, would let the id of a released model name the next one.
TEST(CApiHandles, AnIdNamesOneLoadAlone) {
  const ScratchFolder folder;
  Runtime runtime;
  Model first = runtime.load(needing(folder, 1), "scripted");
  EXPECT_EQ(first.id(), 0);
  ASSERT_EQ(rwkvmobile_runtime_release_model(runtime.handle(), first.id()), 0);
  Model second = runtime.load(needing(folder, 2), "scripted");
  EXPECT_NE(second.id(), first.id());
  try {
    first.chat({"Hi"}, 10);
    ADD_FAILURE() << "another model answers";
  } catch (const rwkv_mobile::Error& error) {
    EXPECT_EQ(error.bits(), 264);
  }
  EXPECT_STREQ(rwkvmobile_runtime_get_model_path_by_id(runtime.handle(), first.id()), "");
  EXPECT_EQ(rwkvmobile_runtime_release_model(runtime.handle(), first.id()), 264);
  {
    const Model gone = std::move(first);
  }
  EXPECT_EQ(ask(second, "Hi"), "hello");
  // A load that fails takes no id.
  EXPECT_THROW(runtime.load("/no/such/model"), rwkv_mobile::Error);
  const Model third = runtime.load(needing(folder, 1), "scripted");
  EXPECT_EQ(third.id(), second.id() + 1);
}

TEST(CApiHandles, AnObjectThatWasMovedFromSaysSo) {
  Runtime runtime;
  Model model = runtime.load(MODEL);
  const Model moved = std::move(model);
  try {
    model.chat({"Hi"}, 10);
    ADD_FAILURE() << "accepted";
  } catch (const rwkv_mobile::Error& error) {
    EXPECT_STREQ(error.what(), "this object was moved from");
  }
}

TEST(CApiVersion, TheHeadersAndTheLibraryAreOfOneVersion) {
  EXPECT_STREQ(rwkv_bridge_version(), RWKV_BRIDGE_VERSION);
  EXPECT_STREQ(rwkv_bridge_version(), RWKV_MOBILE_VERSION);
  const int number = RWKV_MOBILE_VERSION_NUMBER;
  EXPECT_EQ(
      std::to_string(number / 10000) + "." + std::to_string(number / 100 % 100) + "." + std::to_string(number % 100),
      RWKV_MOBILE_VERSION);
  EXPECT_EQ(rwkv_ext_version(), RWKV_EXT_VERSION);
}

}  // namespace
