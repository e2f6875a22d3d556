// Whole models in our own engine: quantised types, geometries of all kinds, and what is refused.
#include <ggml.h>
#include <gtest/gtest.h>

#include <vector>

#include "backends/native/native_backend.h"
#include "support/quantised.h"
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
    const std::string file = quantised(weights, type);
    const Logits exact = logits(*load(quantised(weights, type, true)));
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

TEST_F(NativeModel, WhatItDoesNotRunIsNotMatchedAndRefusedWithAReason) {
  const auto refused = [&](const std::string& bytes, const std::string& reason) {
    const std::string path = (folder_.path() / "refused").string();
    write_file(path, bytes);
    EXPECT_EQ(native_backend().match(ModelSource(path)), 0);
    expect_error(ErrorCode::kUnsupported, reason, [&] { native_backend().load(ModelSource(path), {}); });
    expect_error(ErrorCode::kUnsupported, reason, [&] { native_backend().estimate(ModelSource(path), {}); });
  };
  refused(TinyRwkv(shape_of(6)).gguf().bytes(), "rwkv6");
  refused(quantised(TinyRwkv(shape_of(7)), GGML_TYPE_Q4_1), "Q4_1");
}

}  // namespace
}  // namespace rwkv::test
