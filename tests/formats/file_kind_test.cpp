// Files that are handed over by mistake are called what they are, and sound ones are not mistaken.
#include "formats/file_kind.h"

#include <gtest/gtest.h>

#include "formats/weight_values.h"
#include "support/gguf_writer.h"

namespace rwkv::test {
namespace {

using namespace std::string_literals;

void expect_kind(WantedFile wanted, const std::string& bytes, const std::string& part) {
  const std::string said = mistaken_file(wanted, bytes_of(bytes));
  if (part.empty()) {
    EXPECT_EQ(said, "") << bytes.substr(0, 40);
  } else {
    EXPECT_NE(said.find(part), std::string::npos) << said;
  }
}

TEST(FileKind, WhatIsNoModelAtAllIsNamedForEveryReader) {
  const std::string lfs =
      "version https://git-lfs.github.com/spec/v1\noid sha256:" + std::string(64, 'a') + "\nsize 9\n";
  for (const WantedFile wanted : {WantedFile::kModel, WantedFile::kCheckpoint, WantedFile::kVocabulary}) {
    expect_kind(wanted, lfs, "Git LFS pointer");
    for (const char* page : {"<!doctype html><html>", "\n\n <HTML lang=en>", "\xEF\xBB\xBF<!DOCTYPE HTML>",
                             "<?xml version='1.0'?><Error>", "<Error><Code>AccessDenied", "<ListBucketResult>"}) {
      expect_kind(wanted, page, "web page");
    }
    expect_kind(wanted,
                "\xFF\xFE"
                "1\0 \0'\0"s,
                "UTF-16");
    expect_kind(wanted, "\xFE\xFF\0<\0h\0t"s, "UTF-16");
    expect_kind(wanted, R"({"error": "gated"})", "a server answered");
    expect_kind(wanted, R"(  {"detail": [{"msg": "no such file"}]})", "a server answered");
    expect_kind(wanted, "\x1F\x8B\x08\x00"s, "gzip");
    expect_kind(wanted, R"({"metadata": {"total_size": 1}, "weight_map": {}})", "index of a model");
    expect_kind(wanted, "", "");
    expect_kind(wanted, std::string(5000, '\xEE'), "");
  }
}

TEST(FileKind, CheckpointsNameTheirConversionToWhoWantsAModel) {
  const std::string safetensors = raw<std::uint64_t>(0x7B) + "{\"a\":1}";
  for (const std::string& bytes : {"PK\x03\x04"s, "\x80\x02}q"s, safetensors}) {
    expect_kind(WantedFile::kModel, bytes, "rwkv convert");
    expect_kind(WantedFile::kCheckpoint, bytes, "");
    expect_kind(WantedFile::kVocabulary, bytes, "not a vocabulary");
  }
  expect_kind(WantedFile::kModel, "GGUF\x03", "");
  expect_kind(WantedFile::kCheckpoint, "GGUF\x03", "GGUF file already");
  expect_kind(WantedFile::kVocabulary, "GGUF\x03", "not a vocabulary");
}

TEST(FileKind, CompanionsOfOtherEnginesNameTheConversionToWhoWantsAnEncoder) {
  const std::string onnx = "\x08\x0A\x12\x07pytorch\x1A\x05"s + "2.5.1:";
  // A table of four fields of which two are there, as flatc lays it out.
  const std::string mnn = raw<std::uint32_t>(16) + raw<std::uint16_t>(12) + raw<std::uint16_t>(12) +
                          raw<std::uint16_t>(0) + raw<std::uint16_t>(8) + raw<std::uint16_t>(0) +
                          raw<std::uint16_t>(4) + raw<std::int32_t>(12) + std::string(64, '\x01');
  for (const auto& [bytes, name] : {std::pair{onnx, "ONNX"s}, {mnn, "MNN"s}}) {
    expect_kind(WantedFile::kEncoder, bytes, "is an " + name + " model");
    expect_kind(WantedFile::kEncoder, bytes, "rwkv convert --kind vision");
    expect_kind(WantedFile::kModel, bytes, "get the model as GGUF");
    expect_kind(WantedFile::kCheckpoint, bytes, "convert from the .pth");
  }
  expect_kind(WantedFile::kEncoder, "GGUF\x03", "");
  expect_kind(WantedFile::kEncoder, "lmgg\x01", "");
  expect_kind(WantedFile::kEncoder, "PK\x03\x04"s, "rwkv convert --kind vision");
  expect_kind(WantedFile::kEncoder, mnn.substr(0, 20) + raw<std::int32_t>(12) + std::string(4, '\0'), "");
}

TEST(FileKind, TextsAreNotTakenForWeights) {
  for (const WantedFile wanted : {WantedFile::kModel, WantedFile::kCheckpoint}) {
    expect_kind(wanted, "1 '\\n' 1\n2 b'\\xff' 1\n", "vocabulary file");
    expect_kind(wanted, "Entry not found", "begins 'Entry not found'");
    expect_kind(wanted, R"({"error":"gated"})", "JSON");
    expect_kind(wanted, "RWKVSTAT\x02", "saved state");
  }
  expect_kind(WantedFile::kVocabulary, "1 '\\n' 1\n", "");
  expect_kind(WantedFile::kVocabulary, R"({"1": "a"})", "");
}

TEST(FileKind, WhatOnlyLooksLikeTextAtItsBeginningIsTakenForWhatItIs) {
  const std::string padding(200, ' ');
  const std::string header = raw<std::uint64_t>(0x613C) + "{" + padding;  // its length begins with "<a"
  EXPECT_EQ(file_kind(bytes_of(header)), FileKind::kSafetensors);
  EXPECT_EQ(file_kind(bytes_of(R"({"error": 17, "message": 18, "a": 1})")), FileKind::kJson);  // a vocabulary
  EXPECT_EQ(file_kind(bytes_of("<s> and </s>"s)), FileKind::kPage);
  EXPECT_EQ(file_kind(bytes_of("< 3"s)), FileKind::kShortText);
  EXPECT_EQ(file_kind(bytes_of(std::string(70'000, '{'))), FileKind::kJson);
  EXPECT_EQ(file_kind({}), FileKind::kUnknown);
}

TEST(FileKind, StatesAreToldFromEachOtherAndFromModels) {
  for (const WantedFile wanted : {WantedFile::kSavedState, WantedFile::kInitialState}) {
    expect_kind(wanted, "GGUF\x03", "is a model (GGUF), not");
    expect_kind(wanted, "1 'a' 1\n", "is a vocabulary file, not");
    expect_kind(wanted, "<html>", "web page");
  }
  expect_kind(WantedFile::kSavedState, "RWKVSTAT\x02", "");
  expect_kind(WantedFile::kInitialState, "RWKVSTAT\x02", "is the saved state of a conversation, not a tuned");
  expect_kind(WantedFile::kInitialState, "RWKVMBLE", "");
  expect_kind(WantedFile::kSavedState, "RWKVMBLE", "is an .rmpack");
  expect_kind(WantedFile::kInitialState, "PK\x03\x04", "");
}

TEST(FileKind, OnePartOfSeveralIsToldByItsName) {
  EXPECT_NE(mistaken_part("a/model-00002-of-00003.safetensors").find("part 2 of 3"), std::string::npos);
  for (const char* name : {"model.safetensors", "a-00001-of-00001.safetensors", "x-1-of-2/model.safetensors", ""}) {
    EXPECT_EQ(mistaken_part(name), "") << name;
  }
}

}  // namespace
}  // namespace rwkv::test
