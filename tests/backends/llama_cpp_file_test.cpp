// Files that are not what they should be: llama.cpp asserts and aborts on many, and must never see them.
#include <gtest/gtest.h>

#include "base/log.h"
#include "engine/registry.h"
#include "formats/ggml_type.h"
#include "support/printed.h"
#include "support/tiny_model.h"

namespace rwkv::test {
namespace {

// The smallest model that is still whole: its header is a good part of the file.
TinyShape smallest(int version) { return {version, 1, 64, 64, 64, 8, 32}; }

TEST(Files, BadOnesAreTyped) {
  const ScratchFolder folder;
  const std::string path = (folder.path() / "model.gguf").string();
  const auto refused = [&](ErrorCode code, const std::string& reason, const std::string& bytes) {
    write_file(path, bytes);
    expect_error(code, reason, [&] { load_file(path); });
  };
  const GgufWriter good = TinyRwkv(smallest(7)).gguf();
  expect_error(ErrorCode::kNotFound, "nowhere.gguf", [&] { load_file((folder.path() / "nowhere.gguf").string()); });
  expect_error(ErrorCode::kIo, "folder", [&] { load_file(folder.path().string()); });
  expect_error(ErrorCode::kInvalidArgument, "NUL", [&] { load_file(path + '\0' + "x"); });
  refused(ErrorCode::kBadFile, "model.gguf' is empty", "");
  refused(ErrorCode::kBadFile, "GGUF", "not a model");
  refused(ErrorCode::kBadFile, "cut off, download it again", good.bytes().substr(0, good.bytes().size() - 100));
  GgufWriter tokens = good;
  auto texts = TinyRwkv(smallest(7)).token_texts();
  texts[20] = "\\xZZ";
  tokens.texts("tokenizer.ggml.tokens", texts);
  refused(ErrorCode::kBadFile, path + "': the token list of the model file is damaged: token 20", tokens.bytes());
  GgufWriter llama = good;
  llama.text("general.architecture", "llama");
  refused(ErrorCode::kUnsupported, "'llama'", llama.bytes());
  GgufWriter heads = good;
  heads.u32("rwkv7.wkv.head_size", 16);
  refused(ErrorCode::kUnsupported, "multiple of", heads.bytes());
}

TEST(Files, ShippedModelCutAtAnyPageIsRefusedByName) {
  constexpr std::uintmax_t kPage = 4096;
  const ScratchFolder folder;
  const std::string path = (folder.path() / "cut.gguf").string();
  std::filesystem::copy_file(kModel, path);
  std::uintmax_t size = std::filesystem::file_size(path);
  ASSERT_GT(size, 900 * kPage);
  for (size = (size - 1) / kPage * kPage;; size -= kPage) {
    std::filesystem::resize_file(path, size);
    expect_error(ErrorCode::kBadFile, "'" + path + "'", [&] { load_file(path); });
    if (size == 0) break;
  }
}

TEST(Files, PathMayBeAnyUnicode) {
  const ScratchFolder folder;
  const std::string path = (folder.path() / "\u6A21\u578B \U0001F426.gguf").string();
  write_file(path, TinyRwkv(smallest(7)).gguf().bytes());
  EXPECT_EQ(load_file(path)->info().vocabulary, 32);
  EXPECT_GT(backend_by_name("llama.cpp").match(ModelSource(path)), 0);
}

// A single wrong key or list on which llama.cpp would assert, read out of bounds or never return.
TEST(Files, WhatLlamaCppWouldStumbleOverIsRefusedBefore) {
  using Spoil = void (*)(GgufWriter&);
  const std::pair<Spoil, const char*> cases[] = {
      {[](GgufWriter& f) { f.u32("rwkv6.attention.head_count_kv", 3); }, "head_count_kv"},
      {[](GgufWriter& f) { f.u32("rwkv6.attention.head_count", 7); }, "head_count"},
      {[](GgufWriter& f) { f.u32("rwkv6.token_shift_count", 1); }, "token_shift_count"},
      {[](GgufWriter& f) { f.u32("rwkv6.expert_count", 8); }, "expert_count"},
      {[](GgufWriter& f) { f.u32("rwkv6.block_count", 0); }, "block_count"},
      {[](GgufWriter& f) { f.u32("rwkv6.block_count", 100'000); }, "block_count"},
      {[](GgufWriter& f) { f.texts("tokenizer.ggml.tokens", std::vector<std::string>(32, "same")); }, "same text"},
      // Only longer tokens begin with a newline.
      {[](GgufWriter& f) {
         auto texts = TinyRwkv(smallest(6)).token_texts();
         texts[11] = "\\n\\n";
         f.texts("tokenizer.ggml.tokens", texts);
       },
       "no token is a newline"},
      {[](GgufWriter& f) {
         f.u32("general.alignment", 8);
         f.alignment = 8;
       },
       "aligns its tensors to 8"},
  };
  for (const auto& [spoil, reason] : cases) {
    GgufWriter file = TinyRwkv(smallest(6)).gguf();
    spoil(file);
    try {
      load_bytes(file.bytes());
      ADD_FAILURE() << "loaded; expected " << reason;
    } catch (const Error& error) {
      EXPECT_NE(std::string(error.what()).find(reason), std::string::npos) << error.what();
    }
  }
}

TEST(Files, GeometryMayBeOdd) {
  const TinyShape shapes[] = {{7, 1, 64, 64, 1, 1, 12},    {7, 3, 192, 64, 33, 3, 300}, {6, 1, 64, 64, 1, 1, 12},
                              {6, 2, 192, 64, 33, 3, 300}, {7, 1, 128, 128, 40, 5, 70}, {7, 13, 64, 64, 8, 2, 20}};
  for (const TinyShape& shape : shapes) {
    for (const std::uint32_t type : {kF32, kF16}) {
      const auto model = load_tiny(shape, type);
      const auto sequence = model->create_sequence();
      for (const float value : feed(*model, *sequence, random_tokens(20, static_cast<int>(shape.vocabulary), 1))) {
        ASSERT_TRUE(std::isfinite(value));
      }
    }
  }
}

TEST(Files, MatricesOfEveryTypeEvaluate) {
  for (std::uint32_t id = 0; id < 64; ++id) {
    const GgmlTypeTraits* traits = ggml_type_traits(id);
    if (traits == nullptr) continue;
    for (const int version : {7, 6}) {
      const TinyShape shape{version, 1, 256, 64, 256, 256, 16};
      GgufWriter file = TinyRwkv(shape).gguf();
      std::mt19937 random(id);
      for (GgufWriter::Tensor& tensor : file.tensors) {
        if (tensor.dimensions.size() < 2 || tensor.name.ends_with("lerp_fused.weight") ||
            tensor.name.ends_with("first.weight")) {
          continue;
        }
        tensor.type = id;
        tensor.data.resize(tensor.data.size() / 4 / traits->block * traits->bytes);
        // Any bytes: the numbers mean nothing, but nothing may abort or read out of bounds.
        for (char& byte : tensor.data) byte = static_cast<char>(random());
      }
      const auto model = load_bytes(file.bytes(), one_thread(2));
      const auto sequence = model->create_sequence();
      EXPECT_EQ(feed(*model, *sequence, {1}).size(), 16u) << traits->name;
      EXPECT_EQ(feed(*model, *sequence, random_tokens(33, 16, 1)).size(), 16u) << traits->name;
    }
  }
}

// Loads or throws our error; what loads must evaluate.
bool survives(const std::string& bytes) {
  try {
    const auto model = load_bytes(bytes, one_thread(1));
    const auto sequence = model->create_sequence();
    const auto rows = model->info().vocabulary;
    EXPECT_EQ(feed(*model, *sequence, random_tokens(5, rows, 1)).size(), static_cast<std::size_t>(rows));
    const State state = sequence->save();
    sequence->restore(state);
    return true;
  } catch (const Error&) {
    return false;
  }
}

TEST(Files, FlippedBitsAreRefusedOrHarmless) {
  for (const int version : {7, 6}) {
    GgufWriter file = TinyRwkv(smallest(version)).gguf();
    file.list("tokenizer.ggml.token_type", GgufWriter::kI32, std::vector<std::int32_t>(32, 1));
    file.u32("general.file_type", 0).u32("tokenizer.ggml.eos_token_id", 0).text("tokenizer.chat_template", "x");
    const std::string good = file.bytes();
    const std::size_t header = file.header().size();
    std::mt19937 random(static_cast<std::uint32_t>(version));
    int loaded = 0;
    int refused = 0;
    for (int round = 0; round < 400; ++round) {
      std::string bytes = good;
      const std::size_t flips = 1 + random() % 3;
      for (std::size_t i = 0; i < flips; ++i) {
        // Three of four in the header, the others anywhere.
        const std::size_t at = random() % (round % 4 ? header : bytes.size());
        bytes[at] = static_cast<char>(bytes[at] ^ (1 << random() % 8));
      }
      ++(survives(bytes) ? loaded : refused);
    }
    EXPECT_GT(loaded, 50);
    EXPECT_GT(refused, 50);
  }
}

TEST(Files, EveryKeyMayBeAbsentOrOfAnotherType) {
  for (const int version : {7, 6}) {
    const GgufWriter good = TinyRwkv(smallest(version)).gguf();
    std::vector<std::string> names;
    for (const auto& key : good.keys) names.push_back(key.name);
    for (const char* name :
         {"general.file_type", "general.quantization_version", "tokenizer.ggml.bos_token_id", "tokenizer.ggml.scores",
          "tokenizer.ggml.add_bos_token", "tokenizer.ggml.pre", "tokenizer.ggml.suppress_tokens", "split.count",
          "tokenizer.ggml.token_type_count", "tokenizer.ggml.remove_extra_whitespaces", "general.alignment"}) {
      names.emplace_back(name);
    }
    for (const std::string& name : names) {
      survives(GgufWriter(good).remove(name).bytes());
      survives(GgufWriter(good).u32(name, 0xFFFFFFFFu).bytes());
      survives(GgufWriter(good).text(name, "text").bytes());
      survives(GgufWriter(good).f32(name, NAN).bytes());
      survives(GgufWriter(good).texts(name, {}).bytes());
      survives(GgufWriter(good).list<std::uint32_t>(name, GgufWriter::kU32, {1, 2, 3}).bytes());
    }
  }
}

// Of the rest tests/backend_contract knows.
TEST(Files, WhatLlamaCppHasToSayGoesToTheLog) {
  log::set_level(log::Level::kDebug);
  EXPECT_EQ(printed_by([] {
              GgufWriter wrong = TinyRwkv(smallest(7)).gguf();
              survives(wrong.text("tokenizer.ggml.bos_token_id", "not a number").bytes());
              load_tiny(shape_of(7));
            }),
            "");
  log::set_level(log::Level::kInfo);
  EXPECT_NE(log::dump().find("llama.cpp: "), std::string::npos);
}

}  // namespace
}  // namespace rwkv::test
