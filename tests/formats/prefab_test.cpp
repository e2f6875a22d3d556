// Models of web-rwkv: the same numbers as the checkpoint they were made of, and no trust in a byte.
#include "formats/prefab.h"

#include <gtest/gtest.h>

#include "base/error.h"
#include "formats/floats.h"
#include "formats/packed_floats.h"
#include "formats/prefab_writer.h"
#include "formats/weight_values.h"

namespace rwkv::test {
namespace {

const CheckpointShape kShape{7, 2, 64, 32, 128, 43, 8};

void expect_refused(const std::string& bytes, const std::string& reason, ErrorCode code = ErrorCode::kBadFile) {
  try {
    touch(parse_prefab(bytes_of(bytes), "x.prefab"));
    ADD_FAILURE() << "was read; expected: " << reason;
  } catch (const Error& error) {
    EXPECT_EQ(to_string(error.code()), to_string(code)) << error.what();
    EXPECT_NE(std::string(error.what()).find(reason), std::string::npos) << error.what();
  }
}

TEST(Prefab, HalvesAreThoseOfTheCheckpointByItsNames) {
  const RandomCheckpoint checkpoint(kShape);
  const std::string bytes = prefab(checkpoint, kShape);
  const WeightFile file = parse_prefab(bytes_of(bytes), "x.prefab");
  for (const auto& tensor : checkpoint.tensors) {
    const WeightTensor* read = file.find(tensor.name);
    ASSERT_NE(read, nullptr) << tensor.name;
    std::vector<double> expected;
    for (std::size_t i = 0; i < tensor.data.size(); i += 2) {
      std::uint16_t bits = 0;
      std::memcpy(&bits, tensor.data.data() + i, 2);
      expected.push_back(half_value(bits));
    }
    EXPECT_EQ(values(*read), expected) << tensor.name;
    if (tensor.shape.size() == 2) {
      EXPECT_EQ(read->shape, tensor.shape) << tensor.name;
    }
  }
  EXPECT_EQ(file.tensors().size(), checkpoint.tensors.size() + 3) << "beside the first layer's v0, v1 and v2";
}

// Random numbers and scales; what they stand for is computed from the description, in double precision.
struct Quantised {
  std::string numbers;
  std::string scales;
  std::vector<double> values;
};

std::uint16_t random_half(std::mt19937& random) { return static_cast<std::uint16_t>(0x2800u + random() % 0x1000u); }

Quantised int8_matrix(std::uint64_t elements, std::mt19937& random) {
  Quantised made;
  double least = 0;
  double most = 0;
  for (std::uint64_t i = 0; i < elements; ++i) {
    if (i % 128 == 0) {
      const auto low = static_cast<std::uint16_t>(random_half(random) | 0x8000u);
      const std::uint16_t high = random_half(random);
      made.scales += raw(low) + raw(high);
      least = half_value(low);
      most = half_value(high);
    }
    const auto number = static_cast<std::uint8_t>(random());
    made.numbers += raw(number);
    made.values.push_back(least + number / 255.0 * (most - least));
  }
  return made;
}

std::vector<float> book() {
  std::vector<float> all;
  for (int i = 0; i < 16; ++i) all.push_back(static_cast<float>(i * i) / 225.0f - 0.5f);
  return all;
}

Quantised fp4_matrix(std::uint64_t elements, std::mt19937& random) {
  Quantised made;
  double largest = 0;
  for (std::uint64_t i = 0; i < elements; i += 2) {
    if (i % 64 == 0) {
      const std::uint16_t half = random_half(random);
      made.scales += raw(half);
      largest = half_value(half);
    }
    const auto both = static_cast<std::uint8_t>(random());
    made.numbers += raw(both);
    for (const int number : {both & 15, both >> 4}) {
      made.values.push_back(static_cast<double>(book()[static_cast<std::size_t>(number)]) * largest);
    }
  }
  return made;
}

std::string part(std::uint64_t size, const std::string& data) { return prefab_tensor({size}, data); }

TEST(Prefab, QuantisedMatricesStandForWhatTheirDescriptionSays) {
  for (const std::string kind : {"Int8", "Fp4", "Nf4"}) {
    std::map<std::string, Quantised> made;
    std::mt19937 random(5);
    const PrefabMatrix quantise = [&](const std::string& name, const std::vector<std::uint64_t>& shape) {
      const std::uint64_t elements = shape[0] * shape[1];
      Quantised& q = made[name] = kind == "Int8" ? int8_matrix(elements, random) : fp4_matrix(elements, random);
      if (kind == "Int8") {
        return cbor_map(
            {{kind, cbor_map({{"w", prefab_tensor(shape, q.numbers)}, {"m", part(q.scales.size() / 2, q.scales)}})}});
      }
      std::string table;
      for (const float value : book()) table += raw(value);
      return cbor_map({{kind, cbor_map({{"q", part(16, table)},
                                        {"w", prefab_tensor({shape[0], shape[1] / 2}, q.numbers)},
                                        {"m", part(q.scales.size() / 2, q.scales)}})}});
    };
    const std::string bytes = prefab(RandomCheckpoint(kShape), kShape, quantise);
    const WeightFile file = parse_prefab(bytes_of(bytes), "x.prefab");
    ASSERT_EQ(made.size(), 12u);
    for (const auto& [name, expected] : made) {
      const WeightTensor* read = file.find(name);
      ASSERT_NE(read, nullptr) << name;
      ASSERT_NE(read->packing, nullptr) << name;
      std::vector<float> decoded(expected.values.size());
      decode_packed(*read->packing, read->data, 0, decoded);
      double worst = 0;
      for (std::size_t i = 0; i < decoded.size(); ++i) {
        worst = std::max(worst, std::abs(static_cast<double>(decoded[i]) - expected.values[i]));
      }
      EXPECT_LT(worst, 1e-6) << kind << " " << name;
      // From the middle of a group too.
      std::vector<float> some(201);
      decode_packed(*read->packing, read->data, 77, some);
      EXPECT_TRUE(std::equal(some.begin(), some.end(), decoded.begin() + 77)) << kind << " " << name;
    }
  }
}

TEST(Prefab, OtherVersionsAndRescaledLayersAreUnsupported) {
  const RandomCheckpoint checkpoint(kShape);
  expect_refused(prefab(checkpoint, kShape, {}, "V6"), "version 'V6'", ErrorCode::kUnsupported);
  expect_refused(prefab(checkpoint, kShape, {}, "V7", 1), "scaled down every 1", ErrorCode::kUnsupported);
}

TEST(Prefab, CutAnywhereItIsABadFile) {
  const std::string bytes = prefab(RandomCheckpoint(kShape), kShape);
  for (std::size_t length = 0; length < bytes.size(); length += length < 400 ? 1 : 997) {
    expect_refused(bytes.substr(0, length), "cut off");
  }
  expect_refused(bytes + "x", "follows the end");
}

TEST(Prefab, WithAnyBitFlippedItIsReadOrRefused) {
  const CheckpointShape small{7, 1, 8, 8, 8, 8, 8};
  const std::string bytes = prefab(RandomCheckpoint(small), small);
  int refused = 0;
  for (std::size_t bit = 0; bit < bytes.size() * 8; bit += bit < 8000 ? 1 : 13) {
    std::string other = bytes;
    other[bit / 8] = static_cast<char>(other[bit / 8] ^ (1 << bit % 8));
    try {
      touch(parse_prefab(bytes_of(other), "x.prefab"));
    } catch (const Error&) {
      ++refused;
    }
  }
  EXPECT_GT(refused, 1000);
}

TEST(Prefab, PartsOfAQuantisedMatrixThatDoNotFitAreRefused) {
  const auto with = [&](const std::string& matrix) {
    bool first = true;
    return prefab(RandomCheckpoint(kShape), kShape, [&, first](const std::string&, const auto&) mutable {
      return std::exchange(first, false) ? matrix : std::string();
    });
  };
  const std::vector<std::uint64_t> shape{64, 64};
  const std::string numbers(4096, '\1');
  expect_refused(with(cbor_map({{"Int8", cbor_map({{"w", prefab_tensor(shape, numbers)}})}})), "is missing");
  expect_refused(with(cbor_map({{"Int8", cbor_map({{"w", prefab_tensor(shape, numbers)}, {"m", part(1, "ab")}})}})),
                 "scales that do not fit");
  expect_refused(with(cbor_map({{"Int8", cbor_map({{"w", prefab_tensor(shape, "ab")}, {"m", part(1, "ab")}})}})),
                 "2 bytes, which are not 4096 values of 8 bits");
  expect_refused(with(cbor_map({{"Fp4", cbor_map({{"w", prefab_tensor(shape, numbers)},
                                                  {"m", part(64, std::string(128, '\0'))},
                                                  {"q", part(1, "abcd")}})}})),
                 "book of other than 16");
}

TEST(Prefab, OpenEndsTagsAndDepthsAreRefused) {
  const auto model = [](const std::string& tensor) {
    return cbor_map({{"context", cbor_head(4, 0)}, {"tensor", tensor}});
  };
  expect_refused(model("\x9F\xFF"), "left open");
  expect_refused(model("\xC1\x01"), "something else");
  std::string deep;
  for (int i = 0; i < 10000; ++i) deep += cbor_head(5, 1) + cbor_text("a");
  expect_refused(model(deep), "deeper");
  std::string lists(10000, '\x81');
  expect_refused(cbor_map({{"context", lists}}), "deeper");
  expect_refused(model(cbor_head(4, std::uint64_t{1} << 31)), "cut off");
}

}  // namespace
}  // namespace rwkv::test
