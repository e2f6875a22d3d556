// The reference plugin by itself, through its C table: what it computes, and files that are not what they should be.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <nlohmann/json.hpp>
#include <random>

#include "backends/plugin/library.h"
#include "support/scratch.h"
#include "support/tiny_rwkv.h"

namespace rwkv::test {
namespace {

const rwkv_backend_api& reference() {
  static const rwkv_backend_api& api = plugin::open_library(RWKV_TEST_PLUGINS "/" + plugin::file_name("reference"));
  return api;
}

rwkv_backend_source source_of(const std::string& bytes) {
  return {sizeof(rwkv_backend_source), "test.gguf", 0, bytes.data(), bytes.size()};
}

rwkv_backend_options one_sequence() {
  rwkv_backend_options options{};
  options.struct_size = sizeof options;
  options.max_sequences = 1;
  return options;
}

// A loaded model with one sequence; `code` says why there is none.
struct Loaded {
  explicit Loaded(const std::string& bytes) : file(bytes) {
    const rwkv_backend_source source = source_of(file);
    const rwkv_backend_options options = one_sequence();
    code = reference().load(&source, &options, &model, &error);
    if (code != RWKV_BACKEND_OK) return;
    info.struct_size = sizeof info;
    EXPECT_EQ(reference().info(model, &info, &error), RWKV_BACKEND_OK);
    EXPECT_EQ(reference().create_sequence(model, &sequence, &error), RWKV_BACKEND_OK);
  }
  ~Loaded() {
    if (sequence != nullptr) reference().free_sequence(sequence);
    if (model != nullptr) reference().release(model);
  }
  Loaded(const Loaded&) = delete;
  Loaded& operator=(const Loaded&) = delete;

  std::vector<float> logits(const std::vector<std::int32_t>& tokens) {
    rwkv_backend_item item{};
    item.sequence = sequence;
    item.tokens = tokens.data();
    item.count = tokens.size();
    item.output = RWKV_BACKEND_OUTPUT_LAST_LOGITS;
    const auto never = [](void*) -> std::int32_t { return 0; };
    EXPECT_EQ(reference().reset(sequence, &error), RWKV_BACKEND_OK);
    EXPECT_EQ(reference().evaluate(model, &item, 1, never, nullptr, &error), RWKV_BACKEND_OK);
    return {item.result, item.result + item.result_count};
  }

  const std::string file;  // used where it lies
  rwkv_backend_error error{};
  rwkv_backend_code code = RWKV_BACKEND_OK;
  rwkv_backend_model* model = nullptr;
  rwkv_backend_sequence* sequence = nullptr;
  rwkv_backend_model_info info{};
};

TEST(ReferencePlugin, LogitsAreThoseOfTheNumpyReference) {
  const auto cases = nlohmann::json::parse(read_file(std::string(RWKV_SOURCE_DIR) + "/tests/data/tiny/logits.json"));
  Loaded model(read_file(kModel));
  ASSERT_EQ(model.code, RWKV_BACKEND_OK) << model.error.text;
  int compared = 0;
  for (const auto& one : cases) {
    if (!one.contains("tokens")) continue;
    const auto got = model.logits(one["tokens"]);
    const std::vector<float> expected = one["logits"];
    ASSERT_EQ(got.size(), expected.size());
    for (std::size_t i = 0; i < got.size(); ++i) {
      // The file has six digits.
      ASSERT_NEAR(got[i], expected[i], 2e-4) << one["name"] << " token " << i;
    }
    EXPECT_EQ(std::max_element(got.begin(), got.end()) - got.begin(), one["argmax"].get<std::ptrdiff_t>());
    ++compared;
  }
  EXPECT_GE(compared, 11);
}

TEST(ReferencePlugin, HalvesAreReadAsTheSameNumbers) {
  const TinyRwkv weights(TinyShape{});
  Loaded whole(weights.gguf(kF32).bytes());
  Loaded halves(weights.gguf(kF16).bytes());
  EXPECT_STREQ(whole.info.weight_type, "F32");
  EXPECT_STREQ(halves.info.weight_type, "F16");
  EXPECT_EQ(whole.logits({1, 2, 3}), halves.logits({1, 2, 3}));
}

TEST(ReferencePlugin, QuantisedWeightsAreUnsupported) {
  GgufWriter file = TinyRwkv(TinyShape{}).gguf();
  constexpr std::uint32_t kQ8_0 = 8;
  file.tensor("another", {32}, kQ8_0, std::string(34, '\0'));
  const Loaded model(file.bytes());
  EXPECT_EQ(model.code, RWKV_BACKEND_UNSUPPORTED);
  EXPECT_NE(std::string(model.error.text).find("quantised"), std::string::npos) << model.error.text;
}

TEST(ReferencePlugin, CutAnywhereAFileIsRefusedWithAReason) {
  const std::string good = TinyRwkv(TinyShape{7, 1, 64, 64, 64, 8, 32}).gguf().bytes();
  for (std::size_t size = 0; size < good.size(); size += size < 4096 ? 1 : 997) {
    const Loaded model(good.substr(0, size));
    ASSERT_EQ(model.code, RWKV_BACKEND_BAD_FILE) << size;
    ASSERT_NE(model.error.text[0], '\0');
  }
}

TEST(ReferencePlugin, FlippedBitsAreRefusedOrHarmless) {
  const GgufWriter file = TinyRwkv(TinyShape{7, 1, 64, 64, 64, 8, 32}).gguf();
  const std::string good = file.bytes();
  const std::size_t header = file.header().size();
  std::mt19937 random(1);
  int loaded = 0;
  constexpr int kRounds = 3000;
  for (int round = 0; round < kRounds; ++round) {
    std::string bytes = good;
    for (auto flips = 1 + random() % 3; flips > 0; --flips) {
      char& byte = bytes[random() % (round % 4 != 0 ? header : bytes.size())];
      byte = static_cast<char>(byte ^ (1 << random() % 8));
    }
    const rwkv_backend_source source = source_of(bytes);
    reference().match(&source);
    Loaded model(bytes);
    if (model.code != RWKV_BACKEND_OK) continue;
    ++loaded;
    EXPECT_EQ(model.logits({1, 2}).size(), static_cast<std::size_t>(model.info.vocabulary));
  }
  EXPECT_GT(loaded, kRounds / 10);
  EXPECT_LT(loaded, kRounds * 9 / 10);
}

}  // namespace
}  // namespace rwkv::test
