#include "backends/native/select_kernels.h"

#include <algorithm>
#include <cstring>
#include <random>
#include <string>

#include "backends/native/kernels/panels.h"
#include "base/log.h"
#if defined(RWKV_NATIVE_ARM64) && defined(__linux__)
#include <sys/auxv.h>
#elif defined(RWKV_NATIVE_ARM64) && defined(__APPLE__)
#include <sys/sysctl.h>
#endif

namespace rwkv::native {
namespace {

std::vector<float> random_floats(std::mt19937& random, std::size_t count) {
  std::vector<float> values(count);
  for (float& value : values) value = static_cast<float>(static_cast<std::int32_t>(random()) >> 8) / (1 << 22);
  return values;
}

// Vectors in both forms.
class Prepared {
 public:
  Prepared(const Kernels& kernels, const std::vector<float>& rows, std::size_t length) {
    const std::size_t tokens = rows.size() / length;
    const std::size_t room = (tokens + kTile - 1) / kTile * kTile * length;
    floats_.resize(room);
    values_.resize(room);
    scales_.resize(room);
    sums_.resize(room);
    totals_.resize(room);
    halves_.resize(room);
    nonzero_.resize(length);
    places_.resize(length);
    fours_.resize(length / kBlock);
    x = {length,         length,         floats_.data(),  values_.data(), scales_.data(), sums_.data(),
         totals_.data(), halves_.data(), nonzero_.data(), places_.data(), fours_.data()};
    for (std::size_t t = 0; t < tokens; ++t) kernels.prepare(rows.data() + t * length, x, t);
  }

  Vectors x;

 private:
  std::vector<float> floats_, scales_, sums_;
  std::vector<std::int8_t> values_, nonzero_;
  std::vector<std::int32_t> totals_, halves_;
  std::vector<std::uint32_t> places_;
  std::vector<std::uint8_t> fours_;
};

constexpr std::size_t kTokens = 7;

std::vector<float> products(const Kernels& kernels, Packing packing) {
  constexpr std::size_t kPanels = 5;
  constexpr std::size_t kColumns = 256;
  constexpr std::size_t kBlocks = kColumns / kBlock;
  std::mt19937 random(1);
  const PanelParts parts = panel_parts(packing);
  PanelMatrix matrix{packing, kPanels * kPanelRows - 3, kColumns, 0, nullptr};
  matrix.panel_bytes = kBlocks * (parts.low + parts.high + parts.block) + kBlocks / kSuperBlock * parts.super;
  std::vector<std::byte> panels(kPanels * matrix.panel_bytes);
  for (std::byte& byte : panels) byte = static_cast<std::byte>(random());
  // Halves and floats must be numbers: none has all bits of its exponent set.
  const bool has_halves_in_blocks = parts.super == 0;
  for (std::size_t panel = 0; panel < kPanels; ++panel) {
    std::byte* at = panels.data() + panel * matrix.panel_bytes;
    std::size_t first = 0;
    if (!is_float(packing)) {
      first = kBlocks * (parts.low + parts.high + (has_halves_in_blocks ? 0 : parts.block));
    }
    for (std::size_t i = first + 1; i < matrix.panel_bytes; i += 2) at[i] &= std::byte{0xBB};
  }
  matrix.panels = panels.data();
  const Prepared x(kernels, random_floats(random, kTokens * kColumns), kColumns);
  std::vector<float> y = random_floats(random, kTokens * matrix.rows);
  for (const Then then : {Then::kAdd, Then::kSquareOfPositive, Then::kSet}) {
    for (const std::size_t tokens : {std::size_t{1}, kTokens}) {
      std::vector<float> some(y.begin(), y.begin() + static_cast<std::ptrdiff_t>(kTokens * matrix.rows));
      kernels.multiply(matrix, 0, kPanels, x.x, tokens, then, some.data(), matrix.rows);
      y.insert(y.end(), some.begin(), some.end());
    }
  }
  return y;
}

// A matrix by columns times vectors that are zero in two of three places.
std::vector<float> products_of_columns(const Kernels& kernels) {
  constexpr std::size_t kColumns = 160;
  constexpr std::size_t kBlocks = kColumns / kBlock;
  std::mt19937 random(3);
  PanelMatrix matrix{Packing::kQ8_0, 2 * kWideRows, kColumns, 0, nullptr, true};
  const std::size_t column_bytes = column_places(kBlocks) * kWideRows;
  matrix.panel_bytes = column_bytes + kBlocks * 2 * kWideRows;
  std::vector<std::byte> panels(2 * matrix.panel_bytes);
  for (std::byte& byte : panels) byte = static_cast<std::byte>(random());
  for (std::size_t panel = 0; panel < panels.size(); panel += matrix.panel_bytes) {
    for (std::size_t i = column_bytes + 1; i < matrix.panel_bytes; i += 2) panels[panel + i] &= std::byte{0xBB};
  }
  matrix.panels = panels.data();
  std::vector<float> rows = random_floats(random, kTokens * kColumns);
  for (float& value : rows) {
    if (random() % 3 > 0) value = 0;
  }
  const Prepared x(kernels, rows, kColumns);
  std::vector<float> all;
  for (const std::size_t tokens : {std::size_t{1}, kTokens}) {
    std::vector<float> y(tokens * matrix.rows);
    kernels.multiply(matrix, 0, 2, x.x, tokens, Then::kSet, y.data(), matrix.rows);
    all.insert(all.end(), y.begin(), y.end());
  }
  return all;
}

// What is computed value by value, and a head of 64 and of an odd number.
std::vector<float> vectors(const Kernels& kernels) {
  std::mt19937 random(2);
  std::vector<float> all;
  for (const std::size_t size : {64u, 23u}) {
    std::vector<std::vector<float>> of(20, std::vector<float>());
    for (auto& values : of) values = random_floats(random, kTokens * size);
    std::vector<float> state = random_floats(random, size * size);
    kernels.shift(of[0].data(), of[1].data(), of[2].data(), kTokens * size, of[3].data());
    kernels.normalise(of[3].data(), kTokens * size, 1e-5f, {of[1].data(), of[2].data()}, of[4].data());
    kernels.tanh(of[4].data(), kTokens * size);
    kernels.sigmoid(of[5].data(), kTokens * size);
    const HeadWeights weights{of[0].data(),
                              of[1].data(),
                              of[2].data(),
                              of[3].data(),
                              of[4].data(),
                              of[5].data(),
                              {of[6].data(), of[7].data()}};
    const HeadVectors x{size,          of[8].data(),  of[9].data(),  of[10].data(), of[11].data(),
                        of[12].data(), of[13].data(), of[14].data(), of[15].data(), of[16].data()};
    kernels.head(weights, x, size, kTokens, state.data());
    for (const auto& values : of) all.insert(all.end(), values.begin(), values.end());
    all.insert(all.end(), state.begin(), state.end());
  }
  return all;
}

const Kernels& find_fastest() {
  for (const Kernels* kernels : usable_kernels()) {
    if (kernels == &kPortable || agree_with_portable(*kernels)) return *kernels;
    log::warn(std::string("the ") + kernels->name +
              " instructions of this processor compute something else than plain C++; models run without them");
  }
  return kPortable;
}

#ifdef RWKV_NATIVE_ARM64
bool has_dot_products() {
#if defined(__linux__)
  constexpr unsigned long kAsimdDp = 1ul << 20;  // HWCAP_ASIMDDP of Linux
  return (getauxval(AT_HWCAP) & kAsimdDp) != 0;
#elif defined(__APPLE__)
  int has = 0;
  std::size_t size = sizeof has;
  return sysctlbyname("hw.optional.arm.FEAT_DotProd", &has, &size, nullptr, 0) == 0 && has != 0;
#else
  return false;
#endif
}
#endif

}  // namespace

std::vector<const Kernels*> usable_kernels() {
  std::vector<const Kernels*> usable;
#ifdef RWKV_NATIVE_X86
  __builtin_cpu_init();
  const bool has_avx512 = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                          __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq");
  if (has_avx512 && __builtin_cpu_supports("avx512vnni")) usable.push_back(&kAvx512Vnni);
  if (has_avx512) usable.push_back(&kAvx512);
  // Every processor with these converts halves, too.
  const bool has_avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
#ifdef RWKV_NATIVE_AVX_VNNI
  if (has_avx2 && __builtin_cpu_supports("avxvnni")) usable.push_back(&kAvxVnni);
#endif
  if (has_avx2) usable.push_back(&kAvx2);
#endif
#ifdef RWKV_NATIVE_ARM64
  if (has_dot_products()) usable.push_back(&kNeonDot);
  usable.push_back(&kNeon);
#endif
  usable.push_back(&kPortable);
  return usable;
}

std::vector<float> sample_of(const Kernels& kernels) {
  std::vector<float> all = vectors(kernels);
  const auto add = [&](const std::vector<float>& some) { all.insert(all.end(), some.begin(), some.end()); };
  add(products_of_columns(kernels));
  for (std::size_t i = 0; i < kPackings; ++i) add(products(kernels, static_cast<Packing>(i)));
  return all;
}

bool agree_with_portable(const Kernels& kernels) {
  static const std::vector<float> expected = sample_of(kPortable);
  const std::vector<float> all = sample_of(kernels);
  return all.size() == expected.size() && std::memcmp(all.data(), expected.data(), all.size() * sizeof(float)) == 0;
}

const Kernels& fastest_kernels() {
  static const Kernels& fastest = find_fastest();
  return fastest;
}

bool has_fast_kernels() { return &fastest_kernels() != &kPortable; }

}  // namespace rwkv::native
