// What is said of a model from its file's header: the same as of the loaded model, and no weights are read for it.
#include "runtime/model_description.h"

#include <gtest/gtest.h>
#ifdef __linux__
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>
#endif

#include <algorithm>
#include <filesystem>
#include <string>
#include <vector>

#include "base/error_of.h"
#include "support/scratch.h"
#include "support/tiny_rwkv.h"

namespace rwkv {
namespace {

using test::ScratchFolder;

ModelRequest request_for(const std::string& path) {
  ModelRequest request;
  request.model_path = path;
  request.options.max_sequences = 3;
  return request;
}

void expect_like_loaded(const ModelRequest& request) {
  const ModelDescription said = describe_model(request);
  const auto model = LanguageModel::load(request);
  const ModelInfo& loaded = model->info();
  EXPECT_EQ(said.info.backend, loaded.backend);
  EXPECT_EQ(said.info.architecture, loaded.architecture);
  EXPECT_EQ(said.info.name, loaded.name);
  EXPECT_EQ(said.info.weight_type, loaded.weight_type);
  EXPECT_EQ(said.info.layers, loaded.layers);
  EXPECT_EQ(said.info.width, loaded.width);
  EXPECT_EQ(said.info.heads, loaded.heads);
  EXPECT_EQ(said.info.head_size, loaded.head_size);
  EXPECT_EQ(said.info.vocabulary, loaded.vocabulary);
  EXPECT_EQ(said.info.parameters, loaded.parameters);
  EXPECT_EQ(said.info.file_bytes, loaded.file_bytes);
  EXPECT_EQ(said.info.state_bytes, loaded.state_bytes);
  EXPECT_EQ(said.info.batch_sizes, loaded.batch_sizes);
  EXPECT_EQ(said.info.threads, loaded.threads);
  EXPECT_EQ(said.info.stable_chunk, loaded.stable_chunk);
  EXPECT_EQ(said.info.stable_grid, loaded.stable_grid);
  const Vocabulary& tokens = model->tokenizer().vocabulary();
  ASSERT_EQ(said.vocabulary.size(), tokens.size());
  for (TokenId id = 0; static_cast<std::size_t>(id) < tokens.size(); ++id) {
    EXPECT_EQ(said.vocabulary.bytes(id), tokens.bytes(id)) << id;
  }
}

TEST(ModelDescription, IsThatOfTheLoadedModel) {
  const ScratchFolder folder;
  const std::string path = folder.path() / "model.gguf";
  expect_like_loaded(request_for(test::kModel));
  ModelRequest given = request_for(test::kModel);
  given.tokenizer_path = test::kVocabulary;
  given.options.threads = 2;
  expect_like_loaded(given);
  for (const int version : {6, 7}) {
    test::write_file(path, test::TinyRwkv({.version = version, .layers = 3}).gguf(test::kF16).bytes());
    expect_like_loaded(request_for(path));
  }
  test::write_file(path, R"({"rwkv_script": 1, "name": "of a backend that describes no files"})");
  expect_like_loaded(request_for(path));
}

TEST(ModelDescription, IsRefusedAsALoadIs) {
  const ScratchFolder folder;
  const std::string whole = test::TinyRwkv({.version = 6}).gguf().bytes();
  std::vector<ModelRequest> requests;
  for (const std::size_t length : {whole.size() - 33, whole.size() / 2, std::size_t{2000}, std::size_t{20}}) {
    const std::string path = folder.path() / ("cut" + std::to_string(length));
    test::write_file(path, whole.substr(0, length));
    requests.push_back(request_for(path));
  }
  requests.push_back(request_for(folder.path() / "absent"));
  requests.push_back(request_for(folder.path()));
  for (const int threads : {100'000, -1}) {
    requests.push_back(request_for(test::kModel));
    requests.back().options.threads = threads;
  }
  requests.push_back(request_for(test::kModel));
  requests.back().options.max_sequences = 17;
  requests.push_back(request_for(test::kModel));
  requests.back().backend = "scripted";
  requests.push_back(request_for(test::kModel));
  requests.back().tokenizer_path = folder.path() / "vocabulary";
  test::write_file(requests.back().tokenizer_path, "1 'a' 1\n");
  for (const ModelRequest& request : requests) {
    const auto described = error_of([&] { describe_model(request); });
    const auto loaded = error_of([&] { LanguageModel::load(request); });
    ASSERT_EQ(described.has_value(), loaded.has_value()) << request.model_path;
    if (!loaded) continue;
    EXPECT_STREQ(described->what(), loaded->what());
    EXPECT_EQ(to_string(described->code()), to_string(loaded->code()));
  }
}

#ifdef __linux__
// How much of a file the system holds in memory; of one with a hole that nobody has read, no part of the hole.
std::uint64_t bytes_in_memory(const std::string& path) {
  const auto size = static_cast<std::size_t>(std::filesystem::file_size(path));
  const auto page = static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
  const int file = open(path.c_str(), O_RDONLY);
  void* mapped = mmap(nullptr, size, PROT_READ, MAP_SHARED, file, 0);
  close(file);
  if (mapped == MAP_FAILED) return 0;
  std::vector<unsigned char> pages((size + page - 1) / page);
  const int result = mincore(mapped, size, pages.data());
  munmap(mapped, size);
  EXPECT_EQ(result, 0);
  const auto is_there = [](unsigned char bits) { return (bits & 1) != 0; };
  return page * static_cast<std::uint64_t>(std::count_if(pages.begin(), pages.end(), is_there));
}

TEST(ModelDescription, ReadsNoWeights) {
  const ScratchFolder folder;
  const std::string path = folder.path() / "large.gguf";
  const test::GgufWriter file =
      test::TinyRwkv({.version = 6, .layers = 4, .width = 256, .feed_forward = 1024, .vocabulary = 30'000}).gguf();
  const std::string header = file.header();
  test::write_file(path, header);
  std::filesystem::resize_file(path, file.bytes().size());
  constexpr std::uint64_t kReadAhead = 4 << 20;
  ASSERT_GT(std::filesystem::file_size(path), 10 * kReadAhead);
  ASSERT_LT(bytes_in_memory(path), header.size() + kReadAhead);
  EXPECT_EQ(describe_model(request_for(path)).vocabulary.size(), 30'000u);
  EXPECT_LT(bytes_in_memory(path), header.size() + kReadAhead);
  LanguageModel::load(request_for(path));  // does read them, so that the measure is known to see it
  EXPECT_GT(bytes_in_memory(path), 4 * kReadAhead);
}
#endif

}  // namespace
}  // namespace rwkv
