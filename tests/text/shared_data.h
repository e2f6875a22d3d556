// Where the tests find the World vocabulary, which is not part of the project.
#pragma once

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <optional>
#include <string>

#include "text/tokenizer.h"

namespace rwkv::test {

inline std::string read_text(const std::filesystem::path& path) {
  std::ifstream in(path, std::ios::binary);
  EXPECT_TRUE(in) << path;
  return {std::istreambuf_iterator<char>(in), {}};
}

/// ../shared/data beside the project, or data/ in the folder that RWKV_SHARED_DIR names.
inline std::optional<std::filesystem::path> world_vocabulary_path() {
  constexpr const char* kName = "rwkv_vocab_v20230424.txt";
  std::filesystem::path path = std::filesystem::path(RWKV_SOURCE_DIR) / ".." / "shared" / "data" / kName;
  if (std::filesystem::exists(path)) return path;
  if (const char* shared = std::getenv("RWKV_SHARED_DIR")) {
    path = std::filesystem::path(shared) / "data" / kName;
    if (std::filesystem::exists(path)) return path;
  }
  return std::nullopt;
}

/// Tests of the World vocabulary; skipped where its file is absent.
class WithWorldVocabulary : public testing::Test {
 protected:
  void SetUp() override {
    if (!world_vocabulary_path()) GTEST_SKIP() << "needs ../shared/data/rwkv_vocab_v20230424.txt, which is absent here";
  }
  static const Tokenizer& world() {
    static const Tokenizer tokenizer(Vocabulary::from_file(world_vocabulary_path()->string()));
    return tokenizer;
  }
};

}  // namespace rwkv::test
