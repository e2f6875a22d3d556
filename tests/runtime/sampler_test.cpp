#include "runtime/sampler.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <numeric>

#include "base/error.h"

namespace rwkv {
namespace {

constexpr float kInf = std::numeric_limits<float>::infinity();
constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
constexpr PenaltyParams kNoPenalties{0, 0, 0};

TokenId sample(Sampler& sampler, const std::vector<float>& logits, const SamplerParams& params,
               const std::vector<std::uint8_t>& banned = {}) {
  Penalties none;
  return sampler.sample(logits, params, kNoPenalties, none, banned);
}

// The definition, word for word: everything sorted, in double precision.
std::map<TokenId, double> distribution(const std::vector<float>& logits, const SamplerParams& params) {
  std::vector<TokenId> order;
  for (std::size_t i = 0; i < logits.size(); ++i) {
    if (!std::isnan(logits[i]) && logits[i] > -kInf) order.push_back(static_cast<TokenId>(i));
  }
  const auto logit = [&](TokenId id) { return static_cast<double>(logits[static_cast<std::size_t>(id)]); };
  std::stable_sort(order.begin(), order.end(), [&](TokenId a, TokenId b) { return logit(a) > logit(b); });
  std::size_t k =
      params.top_k <= 0 ? order.size() : std::min<std::size_t>(order.size(), static_cast<std::size_t>(params.top_k));
  if (std::abs(params.top_p) < 1e-4f) k = 1;
  order.resize(k);
  const double t = std::clamp(static_cast<double>(params.temperature), 0.1, 5.0);
  double total = 0;
  for (const TokenId id : order) total += std::exp((logit(id) - logit(order[0])) / t);
  std::map<TokenId, double> kept;
  double sum = 0;
  for (const TokenId id : order) {
    const double p = std::exp((logit(id) - logit(order[0])) / t) / total;
    kept[id] = p;
    sum += p;
    if (params.top_p < 1.0f && sum >= static_cast<double>(params.top_p)) break;
  }
  for (auto& [id, p] : kept) p /= sum;
  return kept;
}

std::vector<float> random_logits(std::mt19937& random, std::size_t n, bool with_ties) {
  std::vector<float> logits(n);
  for (float& value : logits) {
    value = static_cast<float>(random() % 20000) / 1000.0f - 10.0f;
    if (with_ties) value = std::round(value);
  }
  return logits;
}

TEST(Sampler, OnlyTokensOfTheDefinedSetAreDrawn) {
  std::mt19937 random(1);
  for (int round = 0; round < 400; ++round) {
    const std::size_t n = 1 + random() % 700;
    std::vector<float> logits = random_logits(random, n, round % 2 == 0);
    if (round % 5 == 0) logits[random() % n] = kNan;
    if (round % 7 == 0) logits[random() % n] = -kInf;
    logits[random() % n] = 3.0f;
    SamplerParams params;
    params.top_k = static_cast<int>(random() % 300) - 2;
    params.top_p = static_cast<float>(random() % 120) / 100.0f;
    params.temperature = static_cast<float>(random() % 60) / 10.0f;
    const auto expected = distribution(logits, params);
    Sampler sampler(static_cast<std::uint64_t>(round));
    for (int i = 0; i < 20; ++i) {
      const TokenId id = sample(sampler, logits, params);
      EXPECT_TRUE(expected.contains(id)) << "round " << round << " token " << id;
    }
  }
}

TEST(Sampler, FrequenciesFollowTheProbabilities) {
  std::mt19937 random(2);
  for (const SamplerParams params :
       {SamplerParams{}, SamplerParams{1.0f, 0, 0.9f}, SamplerParams{2.0f, 10, 1.0f}, SamplerParams{0.5f, 0, 1.0f}}) {
    std::vector<float> logits(200);
    for (float& value : logits) value = static_cast<float>(random() % 6000) / 1000.0f;
    const auto expected = distribution(logits, params);
    constexpr int kDraws = 60000;
    std::map<TokenId, int> seen;
    Sampler sampler(7);
    for (int i = 0; i < kDraws; ++i) ++seen[sample(sampler, logits, params)];
    double chi_square = 0;
    for (const auto& [id, p] : expected) {
      const double difference = seen[id] - p * kDraws;
      chi_square += difference * difference / (p * kDraws);
    }
    // Mean df, standard deviation sqrt(2 df): six of them is beyond any chance, and the seed is fixed.
    const double df = static_cast<double>(expected.size()) - 1;
    EXPECT_LT(chi_square, df + 6 * std::sqrt(2 * df) + 1e-9);
  }
}

// What is kept by the definition, the most likely token first.
std::vector<std::pair<TokenId, double>> in_order(const std::vector<float>& logits, const SamplerParams& params) {
  const auto chances = distribution(logits, params);
  std::vector<std::pair<TokenId, double>> order(chances.begin(), chances.end());
  const auto logit = [&](const auto& token) { return logits[static_cast<std::size_t>(token.first)]; };
  std::stable_sort(order.begin(), order.end(), [&](const auto& a, const auto& b) { return logit(a) > logit(b); });
  return order;
}

// A draw with the published generator: Mersenne Twister, 53 bits.
TokenId drawn(const std::vector<std::pair<TokenId, double>>& order, std::mt19937_64& random) {
  double left = static_cast<double>(random() >> 11) * 0x1.0p-53;
  for (const auto& [id, p] : order) {
    left -= p;
    if (left < 0) return id;
  }
  return order.back().first;
}

TEST(Sampler, WithoutTopKADrawIsThatOfEverythingSorted) {
  std::mt19937 random(11);
  for (const float spread : {0.05f, 1.0f, 3.0f, 30.0f}) {
    std::normal_distribution<float> normal(0.0f, spread);
    std::vector<float> logits(3000);
    for (float& value : logits) value = normal(random);
    logits[17] = logits[2000];
    for (const SamplerParams params : {SamplerParams{1.0f, 0, 0.9f}, SamplerParams{0.7f, 0, 0.3f},
                                       SamplerParams{5.0f, 0, 0.99f}, SamplerParams{1.0f, 0, 1.0f}}) {
      const auto order = in_order(logits, params);
      Sampler sampler(23);
      std::mt19937_64 published(23);
      for (int i = 0; i < 400; ++i) {
        ASSERT_EQ(sample(sampler, logits, params), drawn(order, published))
            << "spread " << spread << " top_p " << params.top_p << " draw " << i;
      }
    }
  }
}

TEST(Sampler, GreedyTakesTheFirstOfEqualLogits) {
  Sampler sampler(1);
  std::vector<float> logits(1000, 0.0f);
  logits[700] = logits[300] = 5.0f;
  EXPECT_EQ(sample(sampler, logits, {1.0f, 1, 0.5f}), 300);
  EXPECT_EQ(sample(sampler, logits, {1.0f, 128, 0.0f}), 300);
  EXPECT_EQ(sample(sampler, logits, {1.0f, 128, -0.00001f}), 300);
}

TEST(Sampler, EqualLogitsAreCutInOrderOfIds) {
  Sampler sampler(3);
  const std::vector<float> flat(500, 1.0f);
  for (int i = 0; i < 300; ++i) EXPECT_LT(sample(sampler, flat, {1.0f, 5, 1.0f}), 5);
}

TEST(Sampler, TemperatureIsClamped) {
  // At 0.1 a lead of 2 is a factor of e^20; at 0 it would be a division by zero.
  Sampler sampler(4);
  for (int i = 0; i < 100; ++i) EXPECT_EQ(sample(sampler, {1.0f, 3.0f, 1.0f}, {0.0f, 0, 1.0f}), 1);
  const auto hot = distribution({0.0f, 5.0f}, {5.0f, 0, 1.0f});
  int first = 0;
  for (int i = 0; i < 20000; ++i) first += sample(sampler, {0.0f, 5.0f}, {1e9f, 0, 1.0f}) == 0 ? 1 : 0;
  EXPECT_NEAR(first / 20000.0, hot.at(0), 0.015);
}

TEST(Sampler, BannedTokensAreNeverChosenAndBansNeedNoPenalty) {
  Sampler sampler(5);
  const std::vector<float> logits{9.0f, 8.0f, 7.0f};
  EXPECT_EQ(sample(sampler, logits, {1.0f, 1, 0.5f}, {1, 0, 0}), 1);
  for (int i = 0; i < 200; ++i) EXPECT_NE(sample(sampler, logits, {5.0f, 0, 1.0f}, {0, 1, 0}), 1);
}

TEST(Sampler, NoTokenLeftIsAnError) {
  Sampler sampler(6);
  for (const SamplerParams params : {SamplerParams{}, SamplerParams{1.0f, 1, 1.0f}, SamplerParams{1.0f, 0, 1.0f}}) {
    EXPECT_THROW(sample(sampler, {1.0f, 2.0f}, params, {1, 1}), Error);
    EXPECT_THROW(sample(sampler, {kNan, -kInf}, params), Error);
    EXPECT_THROW(sample(sampler, {}, params), Error);
  }
}

TEST(Sampler, InfiniteLogitsAreCertainties) {
  Sampler sampler(7);
  EXPECT_EQ(sample(sampler, {1.0f, kInf, 3.0f, kNan}, {}), 1);
}

TEST(Sampler, LogitsAreNotChanged) {
  Sampler sampler(8);
  Penalties penalties;
  penalties.count(0);
  const std::vector<float> logits{1.0f, 2.0f, 3.0f};
  const std::vector<float> before = logits;
  for (int i = 0; i < 10; ++i) sampler.sample(logits, {}, {}, penalties, std::vector<std::uint8_t>{0, 1, 0});
  EXPECT_EQ(logits, before);
}

TEST(Sampler, EqualSeedsGiveEqualDraws) {
  const std::vector<float> logits(300, 0.0f);
  const auto draws = [&](std::uint64_t seed) {
    Sampler sampler(seed);
    std::vector<TokenId> ids;
    for (int i = 0; i < 50; ++i) ids.push_back(sample(sampler, logits, {1.0f, 0, 1.0f}));
    return ids;
  };
  EXPECT_EQ(draws(1), draws(1));
  EXPECT_NE(draws(1), draws(2));
}

TEST(Sampler, ItsGeneratorIsThePublishedOne) {
  // [rand.predef]: the 10000th value of a default-constructed mt19937_64.
  std::mt19937_64 random;
  random.discard(9999);
  EXPECT_EQ(random(), 9981545732273789042ull);
}

TEST(Sampler, DefaultsAreTheDocumentedOnes) {
  EXPECT_EQ(SamplerParams{}.temperature, 1.0f);
  EXPECT_EQ(SamplerParams{}.top_k, 128);
  EXPECT_EQ(SamplerParams{}.top_p, 0.5f);
  EXPECT_EQ(PenaltyParams{}.presence, 2.0f);
  EXPECT_EQ(PenaltyParams{}.frequency, 0.2f);
  EXPECT_EQ(PenaltyParams{}.decay, 0.996f);
}

TEST(Penalties, AreSubtractedThenDecayStepByStep) {
  Penalties penalties;
  penalties.count(1);
  penalties.count(1);
  const PenaltyParams params{2.0f, 0.5f, 0.5f};
  std::vector<float> logits(3, 10.0f);
  penalties.apply(params, logits);
  EXPECT_FLOAT_EQ(logits[1], 10.0f - (0.5f * 2 + 2));
  logits.assign(3, 10.0f);
  penalties.count(1);
  penalties.apply(params, logits);  // 2 * 0.5 + 1 occurrences
  EXPECT_FLOAT_EQ(logits[1], 10.0f - (0.5f * 2 + 2));
  EXPECT_FLOAT_EQ(logits[0], 10.0f);
}

TEST(Penalties, EachWorksWithoutTheOthers) {
  for (const PenaltyParams params : {PenaltyParams{3, 0, 0}, PenaltyParams{0, 3, 1}}) {
    Penalties penalties;
    penalties.count(0);
    std::vector<float> logits{5.0f, 4.0f};
    penalties.apply(params, logits);
    EXPECT_FLOAT_EQ(logits[0], 2.0f);
  }
}

TEST(Penalties, IdsOutsideTheVocabularyAreHarmless) {
  Penalties penalties;
  penalties.count(-1);
  penalties.count(99);
  std::vector<float> logits{1.0f};
  penalties.apply({}, logits);
  EXPECT_EQ(logits, std::vector<float>{1.0f});
}

TEST(Penalties, NumbersThatAreNoneAreRefused) {
  EXPECT_THROW(validate(PenaltyParams{kNan, 0, 0}), Error);
  EXPECT_THROW(validate(PenaltyParams{0, kInf, 0}), Error);
  EXPECT_THROW(validate(SamplerParams{kNan, 1, 1}), Error);
  EXPECT_THROW(validate(SamplerParams{1, 1, kInf}), Error);
}

}  // namespace
}  // namespace rwkv
