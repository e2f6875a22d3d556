// Whole RWKV models pass, and whatever an engine could stumble over is named.
#include "formats/rwkv_passport.h"

#include <gtest/gtest.h>

#include "base/error.h"
#include "support/tiny_rwkv.h"

namespace rwkv::test {
namespace {

constexpr int kVersions[] = {7, 6};

GgufWriter whole(int version) { return TinyRwkv({version, 2, 64, 32, 96, 8, 40}).gguf(); }

void check(const std::string& bytes) {
  static const std::string name = "model.gguf";
  check_rwkv_model(GgufFile::parse(std::as_bytes(std::span(bytes)), name));
}

void expect_refused(const GgufWriter& file, const std::vector<std::string>& reasons,
                    ErrorCode code = ErrorCode::kBadFile) {
  try {
    check(file.bytes());
    ADD_FAILURE() << "passed; expected: " << reasons.front();
  } catch (const Error& error) {
    EXPECT_EQ(to_string(error.code()), to_string(code)) << error.what();
    for (const std::string& reason : reasons) {
      EXPECT_NE(std::string(error.what()).find(reason), std::string::npos) << reason << "\n in " << error.what();
    }
  }
}

std::string key(int version, const std::string& name) { return "rwkv" + std::to_string(version) + "." + name; }

TEST(Passport, WholeModelsPassAndAreDescribed) {
  for (const int version : kVersions) {
    for (const std::uint32_t type : {kF32, kF16}) {
      const TinyRwkv model({version, 3, 128, 64, 96, 8, 40}, 7);
      GgufWriter file = model.gguf(type);
      file.list("tokenizer.ggml.token_type", GgufWriter::kI32, std::vector<std::int32_t>(40, 1));
      const std::string bytes = file.bytes();
      const RwkvPassport passport = check_rwkv_model(GgufFile::parse(std::as_bytes(std::span(bytes)), "model.gguf"));
      EXPECT_EQ(passport.architecture, "rwkv" + std::to_string(version));
      EXPECT_EQ(passport.name, "tiny");
      EXPECT_EQ(passport.weight_type, type == kF32 ? "F32" : "F16");
      EXPECT_EQ(passport.layers, 3);
      EXPECT_EQ(passport.width, 128);
      EXPECT_EQ(passport.heads, 2);
      EXPECT_EQ(passport.head_size, 64);
      EXPECT_EQ(passport.feed_forward, 96);
      EXPECT_EQ(passport.vocabulary, 40);
      std::uint64_t parameters = 0;
      for (const auto& tensor : model.tensors()) parameters += tensor.values.size();
      EXPECT_EQ(passport.parameters, parameters);
      ASSERT_EQ(passport.token_texts.size(), 40u);
      EXPECT_EQ(passport.token_texts[11], "\\x0a");
      EXPECT_EQ(passport.token_types.size(), 40u);
    }
  }
}

TEST(Passport, EachMissingTensorIsNamed) {
  for (const int version : kVersions) {
    const GgufWriter good = whole(version);
    for (std::size_t i = 0; i < good.tensors.size(); ++i) {
      GgufWriter file = good;
      const std::string name = file.tensors[i].name;
      file.tensors.erase(file.tensors.begin() + static_cast<std::ptrdiff_t>(i));
      // Version 6 files may have five tensors instead of the fused one.
      const bool fused = version == 6 && name == "blk.0.time_mix_lerp_fused.weight";
      expect_refused(file,
                     {fused ? "tensor 'blk.0.time_mix_lerp_w.weight' is missing" : "tensor '" + name + "' is missing"});
    }
  }
}

TEST(Passport, EachMisshapenTensorIsNamed) {
  for (const int version : kVersions) {
    const GgufWriter good = whole(version);
    for (std::size_t i = 0; i < good.tensors.size(); ++i) {
      for (const bool longer : {true, false}) {
        GgufWriter file = good;
        GgufWriter::Tensor& tensor = file.tensors[i];
        if (longer) {
          tensor.dimensions.back() *= 2;
          tensor.data += tensor.data;
        } else if (tensor.dimensions[0] != 1) {
          tensor.dimensions.insert(tensor.dimensions.begin(), 1);  // the same numbers in another shape
          if (tensor.dimensions.size() > 4) continue;
        }
        expect_refused(file, {"tensor '" + tensor.name + "' is F32 [", "the shape should be"});
      }
    }
  }
}

TEST(Passport, TypesOtherThanF32AreForMatricesOnly) {
  for (const int version : kVersions) {
    const TinyRwkv model({version, 2, 64, 32, 96, 8, 40});
    for (std::size_t i = 0; i < model.tensors().size(); ++i) {
      GgufWriter file = model.gguf();
      GgufWriter::Tensor& tensor = file.tensors[i];
      tensor.type = kF16;
      tensor.data.resize(tensor.data.size() / 2);
      if (model.tensors()[i].matrix) {
        EXPECT_NO_THROW(check(file.bytes())) << tensor.name;
      } else {
        expect_refused(file, {"tensor '" + tensor.name + "' is F16 [", "the type should be F32"});
      }
    }
  }
}

TEST(Passport, StrangeTensorsAreNamed) {
  for (const int version : kVersions) {
    expect_refused(whole(version).tensor("rope_freqs.weight", {4}, kF32, std::string(16, '\0')),
                   {"tensor 'rope_freqs.weight' does not belong"});
    expect_refused(whole(version).tensor("blk.2.attn_norm.weight", {64}, kF32, std::string(256, '\0')),
                   {"tensor 'blk.2.attn_norm.weight' does not belong"});
  }
}

TEST(Passport, EachSizeMustBeThereAndBeASaneU32) {
  for (const int version : kVersions) {
    std::vector<std::string> names{"context_length", "embedding_length", "block_count", "feed_forward_length",
                                   "wkv.head_size"};
    for (const char* name : {"attention.decay_lora_rank", "attention.iclr_lora_rank",
                             "attention.value_residual_mix_lora_rank", "attention.gate_lora_rank"}) {
      if (version == 7) names.emplace_back(name);
    }
    for (const char* name : {"time_mix_extra_dim", "time_decay_extra_dim"}) {
      if (version == 6) names.emplace_back(name);
    }
    for (const std::string& name : names) {
      const std::string full = key(version, name);
      expect_refused(whole(version).remove(full), {"'" + full + "' is missing"});
      expect_refused(whole(version).u32(full, 0), {"'" + full + "' is 0, not 1 to"});
      expect_refused(whole(version).u32(full, 0xFFFFFFFFu), {"'" + full + "' is 4294967295, not 1 to"});
      expect_refused(whole(version).text(full, "64"), {"'" + full + "' is of type string, not u32"});
      expect_refused(whole(version).number<std::uint64_t>(full, GgufWriter::kU64, 64), {"of type u64, not u32"});
      expect_refused(whole(version).number<std::int32_t>(full, GgufWriter::kI32, 64), {"of type i32, not u32"});
      expect_refused(whole(version).list<std::uint32_t>(full, GgufWriter::kU32, {64, 64}), {"of type list, not u32"});
    }
    expect_refused(whole(version).u32(key(version, "wkv.head_size"), 48), {"not a multiple of the head size 48"});
    expect_refused(whole(version).u32(key(version, "wkv.head_size"), 128), {"not a multiple of the head size 128"});
  }
}

TEST(Passport, OtherSettingsMustSayWhatIsSo) {
  for (const int version : kVersions) {
    const std::string epsilon = key(version, "attention.layer_norm_epsilon");
    expect_refused(whole(version).remove(epsilon), {"layer_norm_epsilon"});
    for (const float value : {0.0f, -1.0f, 2.0f, INFINITY, NAN}) {
      expect_refused(whole(version).f32(epsilon, value), {"layer_norm_epsilon"});
    }
    for (const char* name : {"attention.head_count", "attention.head_count_kv"}) {
      const std::string full = key(version, name);
      EXPECT_NO_THROW(check(whole(version).u32(full, 0).bytes()));
      EXPECT_NO_THROW(check(whole(version).u32(full, 2).bytes()));  // 64 / 32
      EXPECT_NO_THROW(check(whole(version).remove(full).bytes()));
      expect_refused(whole(version).u32(full, 3), {full});
      expect_refused(whole(version).list<std::uint32_t>(full, GgufWriter::kU32, {2, 2}), {full});
    }
    EXPECT_NO_THROW(check(whole(version).u32("general.file_type", 1).bytes()));
    expect_refused(whole(version).u32("general.file_type", 1024), {"general.file_type"});
    expect_refused(whole(version).text("general.file_type", "1"), {"general.file_type"});
    EXPECT_NO_THROW(check(whole(version).u32(key(version, "token_shift_count"), 2).bytes()));
    expect_refused(whole(version).u32(key(version, "token_shift_count"), 1), {"token_shift_count"});
    expect_refused(whole(version).u32(key(version, "expert_count"), 0), {"expert_count' means nothing"});
    expect_refused(whole(version).f32(key(version, "rope.freq_base"), 1), {"rope.freq_base' means nothing"});
  }
}

TEST(Passport, OtherArchitecturesLayoutsAndPartsAreUnsupported) {
  for (const char* name : {"llama", "rwkv5", "arwkv7", "rwkv6qwen2"}) {
    expect_refused(whole(7).text("general.architecture", name), {"'" + std::string(name) + "'"},
                   ErrorCode::kUnsupported);
  }
  expect_refused(whole(7).remove("general.architecture"), {"which architecture"});
  expect_refused(whole(7).u32("general.architecture", 7), {"which architecture"});
  expect_refused(whole(7).number<std::uint16_t>("split.count", GgufWriter::kU16, 2), {"split"},
                 ErrorCode::kUnsupported);
  expect_refused(whole(7).u32("split.count", 1), {"split"}, ErrorCode::kUnsupported);
  EXPECT_NO_THROW(check(whole(7).number<std::uint16_t>("split.count", GgufWriter::kU16, 1).bytes()));
  for (const std::uint32_t alignment : {8u, 16u}) {
    GgufWriter file = whole(7);
    file.u32("general.alignment", alignment).alignment = alignment;
    expect_refused(file, {"aligns its tensors to " + std::to_string(alignment)}, ErrorCode::kUnsupported);
  }
}

TEST(Passport, TokenListMustBeOneThatEnginesCanRead) {
  for (const int version : kVersions) {
    const auto texts = TinyRwkv({version, 1, 64, 32, 96, 8, 40}).token_texts();
    const auto with = [&](std::size_t at, const std::string& text) {
      auto changed = texts;
      changed[at] = text;
      return whole(version).texts("tokenizer.ggml.tokens", changed);
    };
    expect_refused(whole(version).remove("tokenizer.ggml.model"), {"'tokenizer.ggml.model' is ''"});
    expect_refused(whole(version).text("tokenizer.ggml.model", "gpt2"), {"'tokenizer.ggml.model' is 'gpt2'"});
    expect_refused(whole(version).remove("tokenizer.ggml.tokens"), {"'tokenizer.ggml.tokens' is missing"});
    expect_refused(whole(version).texts("tokenizer.ggml.tokens", {"\n"}), {"an impossible length"});
    expect_refused(whole(version).u32("tokenizer.ggml.tokens", 40), {"'tokenizer.ggml.tokens' is missing"});
    auto more = texts;
    more.emplace_back("more");
    expect_refused(whole(version).texts("tokenizer.ggml.tokens", more),
                   {"tensor 'token_embd.weight'", "tensor 'output.weight'", "[64, 41]"});
    expect_refused(with(5, texts[4]), {"token 5 has the same text"});
    expect_refused(with(5, texts[4] + std::string("\0x", 2)), {"token 5 has the same text"});
    EXPECT_NO_THROW(check(with(5, "").bytes()));
    expect_refused(with(11, "\\n\\n"), {"no token is a newline"});
    expect_refused(with(11, "newline"), {"no token is a newline"});
    EXPECT_NO_THROW(check(with(11, "\n").bytes()));
    EXPECT_NO_THROW(check(with(11, "\\n").bytes()));
    GgufWriter file = whole(version);
    expect_refused(file.list("tokenizer.ggml.token_type", GgufWriter::kI32, std::vector<std::int32_t>(39, 1)),
                   {"'tokenizer.ggml.token_type'"});
    expect_refused(file.list("tokenizer.ggml.token_type", GgufWriter::kI64, std::vector<std::int64_t>(40, 1)),
                   {"'tokenizer.ggml.token_type'"});
    file = whole(version);
    expect_refused(file.list("tokenizer.ggml.scores", GgufWriter::kF32, std::vector<float>(41, 1)),
                   {"'tokenizer.ggml.scores'"});
    expect_refused(file.list("tokenizer.ggml.scores", GgufWriter::kI32, std::vector<std::int32_t>(40, 1)),
                   {"'tokenizer.ggml.scores'"});
  }
}

TEST(Passport, AllProblemsOfOneKindAreListedTogether) {
  GgufWriter file = whole(7);
  file.u32("rwkv7.block_count", 0).remove("rwkv7.embedding_length").text("rwkv7.context_length", "x");
  expect_refused(file, {"block_count", "embedding_length", "context_length"});
  file = whole(7);
  file.tensors.erase(file.tensors.begin() + 3);
  file.tensors.back().dimensions.back() += 1;
  file.tensors.back().data += std::string(file.tensors.back().dimensions[0] * 4, '\0');
  file.text("tokenizer.ggml.model", "gpt2");
  expect_refused(file, {"'output_norm.weight'", "'" + file.tensors.back().name + "'", "'gpt2'"});
  file = whole(7);
  file.tensors.erase(file.tensors.begin() + 10, file.tensors.end());
  try {
    check(file.bytes());
    FAIL() << "passed";
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find("more problems"), std::string::npos);
    EXPECT_LT(std::string(error.what()).size(), 4000u);
  }
}

}  // namespace
}  // namespace rwkv::test
