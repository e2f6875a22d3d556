// A source is looked at once, however many ask.
#include "engine/source.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <functional>

#include "base/error.h"
#include "support/scratch.h"
#include "support/tiny_rwkv.h"

namespace rwkv::test {
namespace {

ErrorCode code_of(const std::function<void()>& call) {
  try {
    call();
  } catch (const Error& error) {
    return error.code();
  }
  ADD_FAILURE() << "nothing thrown";
  return ErrorCode::kInternal;
}

TEST(Source, AFileIsMappedParsedAndCheckedOnceForAllWhoAsk) {
  const ScratchFolder folder;
  const std::string path = folder.path() / "model";
  write_file(path, TinyRwkv({.version = 7, .layers = 1}).gguf().bytes());
  const ModelSource source(path);
  EXPECT_FALSE(source.is_folder());
  EXPECT_TRUE(source.is_gguf());
  std::filesystem::remove(path);  // nobody opens it again
  EXPECT_EQ(source.bytes().data(), source.bytes().data());
  EXPECT_EQ(&source.gguf(), &source.gguf());
  EXPECT_EQ(&source.passport(), &source.passport());
  EXPECT_EQ(source.passport().layers, 1);
  EXPECT_TRUE(source.entries().empty());
}

TEST(Source, AFolderHasNamesAndNoBytes) {
  const ScratchFolder folder;
  write_file(folder.path() / "model.bin", "weights");
  write_file(folder.path() / "config.json", "{}");
  const ModelSource source(folder.path().string());
  EXPECT_TRUE(source.is_folder());
  EXPECT_FALSE(source.is_gguf());
  EXPECT_EQ(source.entries(), (std::vector<std::string>{"config.json", "model.bin"}));
  EXPECT_EQ(code_of([&] { source.bytes(); }), ErrorCode::kIo);
  EXPECT_EQ(code_of([&] { source.gguf(); }), ErrorCode::kIo);
}

TEST(Source, AContainerIsKnownByItsContentAndADamagedOneIsABadFile) {
  const ScratchFolder folder;
  const std::string path = folder.path() / "model.gguf";
  write_file(path, "RWKVMBLE and nothing that would follow");
  const ModelSource source(path);
  EXPECT_TRUE(source.is_rmpack());
  EXPECT_FALSE(source.is_gguf());
  EXPECT_EQ(code_of([&] { source.rmpack(); }), ErrorCode::kBadFile);
  EXPECT_EQ(code_of([&] { source.gguf(); }), ErrorCode::kBadFile);
}

TEST(Source, WhatCannotBeOpenedIsSaidAtOnce) {
  const ScratchFolder folder;
  EXPECT_EQ(code_of([&] { const ModelSource source((folder.path() / "nowhere").string()); }), ErrorCode::kNotFound);
  EXPECT_EQ(code_of([&] { const ModelSource source(std::string("a\0b", 3)); }), ErrorCode::kInvalidArgument);
}

}  // namespace
}  // namespace rwkv::test
