// Weights as the engine reads and packs them, against ggml, which defines their types.
#include <ggml.h>
#include <gtest/gtest.h>

#include <cmath>
#include <random>
#include <vector>

#include "backends/native/blocks.h"
#include "backends/native/pack.h"
#include "backends/native/select_kernels.h"

namespace rwkv::native {
namespace {

const GgmlType kTypes[] = {GgmlType::kF32,  GgmlType::kF16,  GgmlType::kBF16, GgmlType::kQ8_0,
                           GgmlType::kQ4_0, GgmlType::kQ4_K, GgmlType::kQ5_K, GgmlType::kQ6_K};

std::vector<float> random_values(std::size_t count, unsigned seed) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal;
  std::vector<float> values(count);
  for (float& value : values) value = normal(random);
  return values;
}

// A matrix of random numbers in ggml's form, and what ggml reads from it.
struct Matrix {
  Matrix(GgmlType type, std::size_t rows, std::size_t columns, unsigned seed = 1)
      : bytes(ggml_row_size(static_cast<ggml_type>(type), static_cast<std::int64_t>(columns)) * rows),
        values(rows * columns) {
    const auto id = static_cast<ggml_type>(type);
    const std::vector<float> exact = random_values(rows * columns, seed);
    ggml_quantize_chunk(id, exact.data(), bytes.data(), 0, static_cast<std::int64_t>(rows),
                        static_cast<std::int64_t>(columns), nullptr);
    if (type == GgmlType::kF32) {
      values = exact;
    } else {
      ggml_get_type_traits(id)->to_float(bytes.data(), values.data(), static_cast<std::int64_t>(rows * columns));
    }
    tensor.type = type;
    tensor.traits = ggml_type_traits(static_cast<std::uint32_t>(type));
    tensor.dimensions = {columns, rows};
    tensor.elements = rows * columns;
    tensor.data = bytes;
  }
  Matrix(const Matrix&) = delete;

  std::vector<std::byte> bytes;
  std::vector<float> values;
  GgufTensor tensor;
};

// Vectors in the form for matrices of floats or of blocks.
struct Prepared {
  Prepared(const std::vector<float>& rows, std::size_t columns, bool plain) {
    const std::size_t tokens = rows.size() / columns;
    x.length = columns;
    x.padded = (columns + kGroup - 1) / kGroup * kGroup;
    const std::size_t room = (tokens + kTile - 1) / kTile * kTile * x.padded;
    if (plain) {
      floats.resize(room);
      x.floats = floats.data();
    } else {
      values.resize(room);
      for (auto* numbers : {&scales, &sums}) numbers->resize(room);
      for (auto* numbers : {&totals, &halves}) numbers->resize(room);
      x.values = values.data();
      x.scales = scales.data();
      x.sums = sums.data();
      x.totals = totals.data();
      x.halves = halves.data();
      nonzero.resize(columns);
      places.resize(columns);
      fours.resize(x.blocks());
      x.nonzero = nonzero.data();
      x.places = places.data();
      x.fours = fours.data();
    }
    for (std::size_t t = 0; t < tokens; ++t) kPortable.prepare(rows.data() + t * columns, x, t);
  }

  float scale(std::size_t token, std::size_t column) const {
    return scales[token / kTile * kTile * x.blocks() + column / kBlock * kTile + token % kTile];
  }
  double value(std::size_t token, std::size_t column) const {
    const std::size_t tile = token / kTile * kTile;
    if (x.floats != nullptr) return floats[tile * x.padded + column * kTile + token % kTile];
    const std::size_t group = tile * x.length + column / kGroup * kGroup * kTile;
    return static_cast<double>(values[group + token % kTile * kGroup + column % kGroup]) * scale(token, column);
  }

  Vectors x;
  std::vector<float> floats, scales, sums;
  std::vector<std::int8_t> values, nonzero;
  std::vector<std::int32_t> totals, halves;
  std::vector<std::uint32_t> places;
  std::vector<std::uint8_t> fours;
};

TEST(NativeBlocks, ARowHasTheValuesThatGgmlReads) {
  for (const GgmlType type : kTypes) {
    const Matrix matrix(type, 3, 512);
    std::vector<float> row(512);
    for (std::size_t i = 0; i < 3; ++i) {
      read_row(*packing_of(type), matrix.bytes.data() + i * matrix.bytes.size() / 3, 512, row.data());
      for (std::size_t c = 0; c < 512; ++c) {
        const float expected = matrix.values[i * 512 + c];
        // ggml joins a multiplication with an addition where there is a minimum.
        ASSERT_NEAR(row[c], expected, 1e-6 * (1 + std::fabs(expected))) << matrix.tensor.describe() << " " << c;
      }
    }
  }
}

TEST(NativeBlocks, TypesThatItDoesNotKnowHaveNoPacking) {
  EXPECT_FALSE(packing_of(GgmlType::kQ4_1));
  EXPECT_FALSE(packing_of(GgmlType::kIQ4_NL));
  EXPECT_FALSE(packing_of(GgmlType::kQ2_K));
}

// One token's and several tokens' products by all kernels, for a number of rows that no panel divides.
TEST(NativeBlocks, AProductIsThatOfTheValuesWithTheRoundedVector) {
  constexpr std::size_t kRows = 85;
  constexpr std::size_t kTokens = 7;
  for (const GgmlType type : kTypes) {
    const bool plain = is_float(*packing_of(type));
    for (const std::size_t columns : plain ? std::vector<std::size_t>{1, 30, 67} : std::vector<std::size_t>{256, 768}) {
      const Matrix matrix(type, kRows, columns);
      PanelMatrix packed = shape_of(matrix.tensor);
      std::vector<std::byte> panels(bytes_of(packed));
      for (std::size_t i = 0; i < packed.panel_count(); ++i) {
        pack_panel(matrix.tensor, packed, i, panels.data() + i * packed.panel_bytes);
      }
      packed.panels = panels.data();

      const std::vector<float> rows = random_values(kTokens * columns, 2);
      const Prepared all(rows, columns, plain);
      for (const Kernels* kernels : usable_kernels()) {
        std::vector<float> y(kTokens * kRows);
        kernels->multiply(packed, 0, packed.panel_count(), all.x, kTokens, Then::kSet, y.data(), kRows);
        for (std::size_t t = 0; t < kTokens; ++t) {
          for (std::size_t i = 0; i < kRows; ++i) {
            double expected = 0;
            double scale = 0;
            for (std::size_t c = 0; c < columns; ++c) {
              const double input = all.value(t, c);
              ASSERT_NEAR(input, rows[t * columns + c], plain ? 0.0 : 0.51 * all.scale(t, c));
              expected += input * matrix.values[i * columns + c];
              scale += std::fabs(input * matrix.values[i * columns + c]);
            }
            ASSERT_NEAR(y[t * kRows + i], expected, 1e-6 * scale + 1e-7)
                << kernels->name << " " << matrix.tensor.describe() << " token " << t << " row " << i;
          }
        }
        for (std::size_t t = 0; t < kTokens; ++t) {
          // Alone, and only some panels.
          const auto begin = rows.begin() + static_cast<std::ptrdiff_t>(t * columns);
          const Prepared one({begin, begin + static_cast<std::ptrdiff_t>(columns)}, columns, plain);
          std::vector<float> alone(kRows, 5.0f);
          kernels->multiply(packed, 1, packed.panel_count() - 1, one.x, 1, Then::kSet, alone.data(), kRows);
          EXPECT_EQ(alone[15], 5.0f);
          for (std::size_t i = kPanelRows; i < kRows; ++i) ASSERT_EQ(alone[i], y[t * kRows + i]) << i;
        }
      }
    }
  }
}

// A token alone reads the columns that it has something for, several together read all; from none to all are zero.
TEST(NativeBlocks, AMatrixByColumnsGivesTheBitsOfOneByRows) {
  constexpr std::size_t kRows = 2 * kWideRows;
  constexpr std::size_t kColumns = 352;
  const Matrix matrix(GgmlType::kQ8_0, kRows, kColumns);
  PanelMatrix by_rows = shape_of(matrix.tensor);
  PanelMatrix by_columns = shape_of(matrix.tensor, true);
  ASSERT_TRUE(by_columns.by_columns);
  ASSERT_EQ(by_columns.panel_count(), 2u);
  std::vector<std::vector<std::byte>> panels;
  for (PanelMatrix* packed : {&by_rows, &by_columns}) {
    panels.emplace_back(bytes_of(*packed));
    packed->panels = panels.back().data();
    for (std::size_t i = 0; i < packed->panel_count(); ++i) {
      pack_panel(matrix.tensor, *packed, i, panels.back().data() + i * packed->panel_bytes);
    }
  }
  std::mt19937 random(5);
  for (const unsigned zeros : {0u, 50u, 95u, 100u}) {
    for (const std::size_t tokens : {1u, 2u, 3u, 4u, 9u, 37u}) {
      std::vector<float> rows = random_values(tokens * kColumns, 4);
      for (float& value : rows) {
        if (random() % 100 < zeros) value = 0;
      }
      const Prepared all(rows, kColumns, false);
      std::vector<float> expected(tokens * kRows, 0.25f);
      kPortable.multiply(by_rows, 0, by_rows.panel_count(), all.x, tokens, Then::kAdd, expected.data(), kRows);
      for (const Kernels* kernels : usable_kernels()) {
        std::vector<float> y(tokens * kRows, 0.25f);
        kernels->multiply(by_columns, 1, 1, all.x, tokens, Then::kAdd, y.data(), kRows);
        EXPECT_EQ(y[kWideRows - 1], 0.25f);
        kernels->multiply(by_columns, 0, 1, all.x, tokens, Then::kAdd, y.data(), kRows);
        ASSERT_EQ(y, expected) << kernels->name << ", " << tokens << " tokens, " << zeros << " % zeros";
      }
    }
  }
}

TEST(NativeBlocks, OnlyMatricesThatWidePanelsDivideLieByColumns) {
  EXPECT_FALSE(shape_of(Matrix(GgmlType::kQ8_0, 85, 64).tensor, true).by_columns);
  EXPECT_FALSE(shape_of(Matrix(GgmlType::kQ4_0, kWideRows, 64).tensor, true).by_columns);
  EXPECT_FALSE(shape_of(Matrix(GgmlType::kF16, kWideRows, 64).tensor, true).by_columns);
}

TEST(NativeKernels, AllThatThisProcessorRunsGiveTheBitsOfPlainCpp) {
  for (const Kernels* kernels : usable_kernels()) EXPECT_TRUE(agree_with_portable(*kernels)) << kernels->name;
  EXPECT_EQ(usable_kernels().back(), &kPortable);
}

TEST(NativeKernels, KernelsThatComputeSomethingElseAreFoundOut) {
  Kernels wrong = kPortable;
  wrong.sigmoid = [](float* x, std::size_t count) {
    for (std::size_t i = 0; i < count; ++i) x[i] = 1 / (1 + std::exp(-x[i]));
  };
  EXPECT_FALSE(agree_with_portable(wrong));
  wrong = kPortable;
  wrong.multiply = [](const PanelMatrix& m, std::size_t first, std::size_t count, const Vectors& x, std::size_t tokens,
                      Then then, float* y, std::size_t stride) {
    kPortable.multiply(m, first, count, x, tokens, then, y, stride);
    if (m.packing == Packing::kQ6_K) y[3] += 1e-6f * y[3];
  };
  EXPECT_FALSE(agree_with_portable(wrong));
}

TEST(NativeKernels, FunctionsAreAsExactAsFloatsAre) {
  std::vector<float> x;
  for (float value = -30; value <= 30; value += 0.0037f) x.push_back(value);
  std::vector<float> sigmoids = x;
  std::vector<float> tanhs = x;
  kPortable.sigmoid(sigmoids.data(), x.size());
  kPortable.tanh(tanhs.data(), x.size());
  for (std::size_t i = 0; i < x.size(); ++i) {
    EXPECT_NEAR(sigmoids[i], 1 / (1 + std::exp(-double{x[i]})), 2e-7) << x[i];
    EXPECT_NEAR(tanhs[i], std::tanh(double{x[i]}), 3e-7) << x[i];
  }
}

}  // namespace
}  // namespace rwkv::native
