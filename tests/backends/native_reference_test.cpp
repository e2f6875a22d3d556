// Our own engine against numpy: models of unusual sizes, after texts of up to a thousand tokens
// (tools/reference/random_rwkv7.py).
#include <gtest/gtest.h>

#include <cmath>
#include <nlohmann/json.hpp>
#include <string>

#include "backends/native/native_backend.h"
#include "support/tiny_model.h"

namespace rwkv::test {
namespace {

class NativeReference : public testing::TestWithParam<const char*> {};

INSTANTIATE_TEST_SUITE_P(Sizes, NativeReference, testing::Values("narrow", "odd", "deep"),
                         [](const auto& size) { return std::string(size.param); });

TEST_P(NativeReference, LogitsEqualNumpysTo1e4) {
  const std::string base = std::string(RWKV_SOURCE_DIR) + "/tests/data/rwkv7/" + GetParam();
  const auto model = make_native_backend()->load(ModelSource(base + ".gguf"), one_thread());
  const auto sequence = model->create_sequence();
  std::size_t longest = 0;
  for (const auto& fixture : nlohmann::json::parse(read_file(base + ".json"))) {
    const Tokens tokens = fixture.at("tokens").get<Tokens>();
    const auto expected = fixture.at("logits").get<std::vector<double>>();
    longest = std::max(longest, tokens.size());
    sequence->reset();
    const Logits logits = feed(*model, *sequence, tokens);
    ASSERT_EQ(logits.size(), expected.size());
    for (std::size_t i = 0; i < logits.size(); ++i) {
      EXPECT_NEAR(static_cast<double>(logits[i]), expected[i], 1e-4) << fixture.at("name") << ", token " << i;
    }
  }
  EXPECT_EQ(longest, 1000u);
}

}  // namespace
}  // namespace rwkv::test
