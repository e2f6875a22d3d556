// Whole models in our own engine: quantised types, geometries of all kinds, and equal bits however it is computed.
#include <ggml.h>
#include <gtest/gtest.h>

#include <random>
#include <vector>

#include "backends/native/native_backend.h"
#include "backends/state_blob.h"
#include "support/rwkv_reference.h"
#include "support/tiny_model.h"

namespace rwkv::test {
namespace {

const Backend& native_backend() {
  static const auto one = make_native_backend();
  return *one;
}

class NativeModel : public testing::Test {
 protected:
  std::unique_ptr<Model> load(const std::string& bytes, const LoadOptions& options = one_thread()) {
    const std::string path = (folder_.path() / ("model" + std::to_string(++files_))).string();
    write_file(path, bytes);
    return native_backend().load(ModelSource(path), options);
  }

  ScratchFolder folder_;

 private:
  int files_ = 0;
};

// The model with matrices of this type where their rows can have it; `read_back`: as F32, but with the values that the
// type leaves of them.
std::string file_of(const TinyRwkv& model, ggml_type type, bool read_back = false) {
  GgufWriter file = model.gguf();
  for (const TinyRwkv::Tensor& tensor : model.tensors()) {
    if (!tensor.matrix || tensor.dimensions[0] % static_cast<std::uint64_t>(ggml_blck_size(type)) != 0) continue;
    const auto columns = static_cast<std::int64_t>(tensor.dimensions[0]);
    const auto values = static_cast<std::int64_t>(tensor.values.size());
    std::string data(ggml_row_size(type, values), '\0');
    ggml_quantize_chunk(type, tensor.values.data(), data.data(), 0, values / columns, columns, nullptr);
    GgufWriter::Tensor& written = file.find(tensor.name);
    if (read_back) {
      ggml_get_type_traits(type)->to_float(data.data(), reinterpret_cast<float*>(written.data.data()), values);
    } else {
      written.type = static_cast<std::uint32_t>(type);
      written.data = data;
    }
  }
  return file.bytes();
}

TinyShape shape_for_superblocks() {
  TinyShape shape;
  shape.width = 256;
  shape.feed_forward = 768;
  return shape;
}

TEST_F(NativeModel, QuantisedTypesAreAsNearToTheirWeightsAsInLlamaCpp) {
  const TinyRwkv weights(shape_for_superblocks());
  const Tokens tokens = random_tokens(60, 64, 1);
  const auto logits = [&](Model& model) {
    const auto sequence = model.create_sequence();
    return feed(model, *sequence, tokens);
  };
  for (const ggml_type type :
       {GGML_TYPE_BF16, GGML_TYPE_Q8_0, GGML_TYPE_Q4_0, GGML_TYPE_Q4_K, GGML_TYPE_Q5_K, GGML_TYPE_Q6_K}) {
    const std::string file = file_of(weights, type);
    const Logits exact = logits(*load(file_of(weights, type, true)));
    const double ours = distance(logits(*load(file)), exact);
    const double peer = distance(logits(*load_bytes(file, one_thread())), exact);
    EXPECT_LT(ours, 1.5 * peer + 1e-4) << ggml_type_name(type);
    EXPECT_LT(ours, 0.1) << ggml_type_name(type);
  }
}

TEST_F(NativeModel, GeometriesOfAllKindsAgreeWithTheEquations) {
  struct Case {
    std::uint32_t layers, width, head_size, feed_forward, rank, vocabulary;
  };
  for (const Case& c : {Case{1, 20, 20, 33, 1, 12}, Case{3, 60, 20, 77, 5, 50}, Case{2, 96, 48, 100, 7, 300},
                        Case{2, 128, 128, 64, 33, 65}, Case{4, 64, 1, 17, 16, 64}, Case{2, 192, 64, 768, 24, 31}}) {
    const TinyShape shape{7, c.layers, c.width, c.head_size, c.feed_forward, c.rank, c.vocabulary};
    const TinyRwkv weights(shape, 3);
    const Tokens tokens = random_tokens(40, static_cast<int>(c.vocabulary), 1);
    RwkvReference reference(weights);
    std::vector<double> expected;
    for (const TokenId token : tokens) expected = reference.step(token);
    for (const std::uint32_t type : {kF32, kF16}) {
      const auto model = load(weights.gguf(type).bytes());
      const auto sequence = model->create_sequence();
      EXPECT_LT(distance(feed(*model, *sequence, tokens), expected), 1e-3) << c.width << " / " << c.head_size;
    }
  }
}

TEST_F(NativeModel, AThousandTokensAgreeWithTheEquationsTo1e4) {
  TinyShape shape;
  shape.layers = 3;
  const TinyRwkv weights(shape, 9);
  const Tokens tokens = random_tokens(1000, 64, 2);
  RwkvReference reference(weights);
  std::vector<double> expected;
  for (const TokenId token : tokens) expected = reference.step(token);
  const auto model = load(weights.gguf().bytes());
  const auto sequence = model->create_sequence();
  EXPECT_LT(distance(feed(*model, *sequence, tokens), expected), 1e-4);
}

// Texts in random pieces, beside random neighbours, with random numbers of threads: each logit that comes out is, bit
// for bit, that of the text read alone, token by token.
TEST_F(NativeModel, CutsNeighboursAndThreadsDoNotChangeABit) {
  constexpr std::size_t kTexts = 5;
  constexpr std::size_t kLength = 150;
  const TinyRwkv weights(shape_for_superblocks());
  for (const ggml_type type : {GGML_TYPE_F32, GGML_TYPE_F16, GGML_TYPE_BF16, GGML_TYPE_Q8_0, GGML_TYPE_Q4_0,
                               GGML_TYPE_Q4_K, GGML_TYPE_Q5_K, GGML_TYPE_Q6_K}) {
    const auto model = load(file_of(weights, type));
    std::vector<std::unique_ptr<Sequence>> sequences;
    std::vector<Tokens> texts;
    std::vector<std::vector<Logits>> alone(kTexts);
    for (std::size_t i = 0; i < kTexts; ++i) {
      sequences.push_back(model->create_sequence());
      texts.push_back(random_tokens(kLength, 64, static_cast<std::uint32_t>(i)));
      for (const TokenId token : texts[i]) alone[i].push_back(feed(*model, *sequences[i], {token}));
    }
    std::mt19937 random(static_cast<unsigned>(type));
    int compared = 0;
    for (int round = 0; round < 2; ++round) {
      for (auto& sequence : sequences) sequence->reset();
      for (bool left = true; left;) {
        if (random() % 4 == 0) model->set_threads(1 + static_cast<int>(random() % 3));
        std::vector<EvalItem> items;
        for (std::size_t i = 0; i < kTexts; ++i) {
          const auto at = static_cast<std::size_t>(sequences[i]->position());
          if (at == kLength || random() % 3 == 0) continue;
          const std::size_t most = random() % 2 == 0 ? 3 : 140;
          const std::size_t count = std::min(kLength - at, 1 + random() % most);
          items.push_back({.sequence = sequences[i].get(), .tokens = std::span(texts[i]).subspan(at, count)});
        }
        model->evaluate(items, {});
        left = false;
        for (std::size_t i = 0; i < kTexts; ++i) {
          const auto at = static_cast<std::size_t>(sequences[i]->position());
          left = left || at < kLength;
          for (const EvalItem& item : items) {
            if (item.sequence != sequences[i].get()) continue;
            ++compared;
            ASSERT_TRUE(std::equal(item.output.begin(), item.output.end(), alone[i][at - 1].begin()))
                << ggml_type_name(type) << ", text " << i << " at " << at;
          }
        }
      }
    }
    EXPECT_GT(compared, 30);
  }
}

TEST_F(NativeModel, WhatItDoesNotRunIsNotMatchedAndRefusedWithAReason) {
  const auto refused = [&](const std::string& bytes, const std::string& reason) {
    const std::string path = (folder_.path() / "refused").string();
    write_file(path, bytes);
    EXPECT_EQ(native_backend().match(ModelSource(path)), 0);
    expect_error(ErrorCode::kUnsupported, reason, [&] { native_backend().load(ModelSource(path), {}); });
    expect_error(ErrorCode::kUnsupported, reason, [&] { native_backend().estimate(ModelSource(path), {}); });
  };
  refused(TinyRwkv(shape_of(6)).gguf().bytes(), "rwkv6");
  refused(file_of(TinyRwkv(shape_of(7)), GGML_TYPE_Q4_1), "Q4_1");
}

}  // namespace
}  // namespace rwkv::test
