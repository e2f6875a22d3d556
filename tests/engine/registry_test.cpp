// Which backend takes a file.
#include "engine/registry.h"

#include <gtest/gtest.h>

#include "support/scratch.h"
#include "support/tiny_rwkv.h"

namespace rwkv::test {
namespace {

template <class Call>
void expect_error(ErrorCode code, const std::string& part, Call&& call) {
  try {
    call();
    ADD_FAILURE() << "nothing thrown, expected " << to_string(code);
  } catch (const Error& error) {
    EXPECT_EQ(to_string(error.code()), to_string(code)) << error.what();
    EXPECT_NE(std::string(error.what()).find(part), std::string::npos) << error.what();
  }
}

TEST(Registry, BackendsHaveNamesAndDescriptionsOfTheirOwn) {
  std::vector<std::string_view> names;
  for (const auto& backend : backends()) {
    EXPECT_FALSE(backend->description().empty());
    EXPECT_EQ(&backend_by_name(backend->name()), backend.get());
    names.push_back(backend->name());
  }
  EXPECT_EQ(names, (std::vector<std::string_view>{"llama.cpp", "scripted"}));
  expect_error(ErrorCode::kUnsupported, "it has llama.cpp, scripted", [] { backend_by_name("web-rwkv"); });
}

TEST(Registry, FileIsTakenByContentAndNotByName) {
  const ScratchFolder folder;
  const auto file = [&](const std::string& name, const std::string& bytes) {
    write_file(folder.path() / name, bytes);
    return (folder.path() / name).string();
  };
  EXPECT_EQ(backend_for_file(file("model.json", TinyRwkv({7, 1, 64, 64, 64, 8, 16}).gguf().bytes())).name(),
            "llama.cpp");
  EXPECT_EQ(backend_for_file(file("script.gguf", R"({"rwkv_script": 1})")).name(), "scripted");
  expect_error(ErrorCode::kBadFile, "not a model file", [&] { backend_for_file(file("x.gguf", "text")); });
  expect_error(ErrorCode::kBadFile, "empty.gguf' is empty", [&] { backend_for_file(file("empty.gguf", "")); });
  expect_error(ErrorCode::kNotFound, "nowhere.gguf",
               [&] { backend_for_file((folder.path() / "nowhere.gguf").string()); });
  expect_error(ErrorCode::kIo, "folder", [&] { backend_for_file(folder.path().string()); });
}

}  // namespace
}  // namespace rwkv::test
