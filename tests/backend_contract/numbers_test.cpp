// What is computed, against the equations in double precision.
#include "backend_contract/subject.h"
#include "formats/ggml_type.h"
#include "support/rwkv_reference.h"

namespace rwkv::test {
namespace {

class Numbers : public Contract {
 protected:
  void SetUp() override {
    if (traits().tolerance == 0) GTEST_SKIP() << "computes nothing";
  }
};

TEST_P(Numbers, EverySingleTokenAgreesWithTheEquations) {
  for (const std::uint32_t seed : {1u, 2u}) {
    const TinyRwkv weights(GetParam().shape(), seed);
    const auto model = load(seed);
    const auto sequence = model->create_sequence();
    for (int token = 0; token < 64; token += 9) {
      sequence->reset();
      EXPECT_LT(distance(feed(*model, *sequence, {token}), RwkvReference(weights).step(token)), traits().tolerance)
          << token;
    }
  }
}

TEST_P(Numbers, UpToThreeHundredTokensAgreeWithTheEquationsWhetherFedTogetherOrOneByOne) {
  const TinyRwkv weights(GetParam().shape(), 4);
  const auto model = load(4);
  const Tokens tokens = random_tokens(traits().tolerance < 1e-2 ? 300 : 40, 64, 1);
  const auto stepped = model->create_sequence();
  const auto whole = model->create_sequence();
  RwkvReference reference(weights);
  std::vector<double> expected;
  Logits got;
  for (const TokenId token : tokens) {
    expected = reference.step(token);
    got = feed(*model, *stepped, {token});
    ASSERT_LT(distance(got, expected), traits().tolerance) << "token " << stepped->position();
  }
  EXPECT_LT(distance(feed(*model, *whole, tokens), expected), traits().tolerance);
  EXPECT_EQ(stepped->position(), whole->position());
}

TEST_P(Numbers, HowManyThreadsThereAreDoesNotChangeABit) {
  const auto model = load();
  const auto sequence = model->create_sequence();
  // Few: an engine's threads may spin at barriers, which costs a busy machine dear.
  const Tokens tokens = random_tokens(2, 64, 3);
  const Logits expected = feed(*model, *sequence, tokens);
  for (const int threads : {2, 1, 3}) {  // more than the model has heads as well
    model->set_threads(threads);
    EXPECT_EQ(model->info().threads, traits().uses_threads ? threads : 1);
    sequence->reset();
    EXPECT_EQ(feed(*model, *sequence, tokens), expected) << threads;
  }
  const int before = model->info().threads;
  expect_error(ErrorCode::kInvalidArgument, "number of threads is 0", [&] { model->set_threads(0); });
  expect_error(ErrorCode::kInvalidArgument, "number of threads is 100000", [&] { model->set_threads(100000); });
  EXPECT_EQ(model->info().threads, before);
}

TEST_P(Numbers, TheInfoSaysWhatTheFileIs) {
  const auto model = load();
  const ModelInfo& info = model->info();
  const TinyRwkv weights(GetParam().shape());
  EXPECT_EQ(info.backend, backend().name());
  EXPECT_EQ(info.architecture, "rwkv" + std::to_string(GetParam().version));
  EXPECT_EQ(info.name, "tiny");
  EXPECT_EQ(info.weight_type, ggml_type_traits(GetParam().type)->name);
  EXPECT_EQ(info.layers, 2);
  EXPECT_EQ(info.width, 128);
  EXPECT_EQ(info.heads, 2);
  EXPECT_EQ(info.head_size, 64);
  EXPECT_EQ(info.vocabulary, 64);
  std::uint64_t parameters = 0;
  for (const auto& tensor : weights.tensors()) parameters += tensor.values.size();
  EXPECT_EQ(info.parameters, parameters);
  EXPECT_EQ(info.file_bytes, GetParam().file().size());
  EXPECT_EQ(info.batch_sizes.back(), 4);
  EXPECT_GE(info.longest_call.count(), 1);
  const auto devices = backend().devices();
  EXPECT_TRUE(std::any_of(devices.begin(), devices.end(), [&](const Device& d) { return d.id == info.device.id; }));
  ASSERT_NE(model->embedded_vocabulary(), nullptr);
  EXPECT_EQ(model->embedded_vocabulary()->bytes(11), "\n");
  EXPECT_EQ(info.state_bytes, 2u * (2 * 128 + 2 * 64 * 64) * 4);
}

FOR_ALL_BACKENDS(Numbers);

}  // namespace
}  // namespace rwkv::test
