#include "base/list_folder.h"

#include <gtest/gtest.h>

#include <fstream>

#include "base/utf8_path.h"
#include "support/scratch.h"

namespace rwkv {
namespace {

TEST(ListFolder, NamesAreSortedAndOfAllThatLiesThere) {
  const test::ScratchFolder scratch;
  const std::filesystem::path folder = scratch.path() / path_from_utf8("фото 写真");
  std::filesystem::create_directories(folder / "b folder");
  for (const char* name : {"ü", "c", ".hidden"}) std::ofstream(folder / path_from_utf8(name));
  std::error_code code;
  EXPECT_EQ(names_in(folder, code), (std::vector<std::string>{".hidden", "b folder", "c", "ü"}));
  EXPECT_FALSE(code);
}

TEST(ListFolder, WhatIsNoFolderHasNoNamesButAReason) {
  const test::ScratchFolder scratch;
  std::error_code code;
  EXPECT_TRUE(names_in(scratch.path() / "nothing", code).empty());
  EXPECT_EQ(code, std::errc::no_such_file_or_directory);
}

}  // namespace
}  // namespace rwkv
