// What a model is said to need before it is loaded, against what the process grows by.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <memory>

#include "base/error.h"
#include "base/machine.h"
#include "engine/backend.h"
#include "support/scratch.h"
#include "support/tiny_rwkv.h"

namespace rwkv {
namespace {

using test::ScratchFolder;

constexpr std::uint64_t kMegabyte = std::uint64_t{1} << 20;

// Resident memory of this process, mapped files included.
std::uint64_t resident() {
  give_back_freed_memory();
  std::uint64_t pages = 0;
  std::ifstream("/proc/self/statm") >> pages >> pages;
  return pages * inspect_machine().page_bytes;
}

// What the process grows by when the model is loaded, one of its sequences reads a long text and all step together.
std::uint64_t growth(const std::string& path, const LoadOptions& options) {
  const std::uint64_t before = resident();
  const auto model = backend_by_name("llama.cpp").load(ModelSource(path), options);
  std::vector<std::unique_ptr<Sequence>> sequences;
  Tokens text;
  for (int i = 0; i < 600; ++i) text.push_back(1 + i % 60);
  std::vector<EvalItem> items;
  for (int i = 0; i < options.max_sequences; ++i) {
    sequences.push_back(model->create_sequence());
    items.push_back({.sequence = sequences.back().get(), .tokens = std::span(text).first(i == 0 ? text.size() : 8)});
  }
  model->evaluate(items, CancelToken());
  for (EvalItem& item : items) item.tokens = std::span(text).first(1);
  model->evaluate(items, CancelToken());
  return resident() - before;
}

// A sanitizer's own memory is part of the process.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr bool kMeasurable = false;
#else
constexpr bool kMeasurable = true;
#endif

void expect_good_estimate(const std::string& path, int sequences) {
  LoadOptions options;
  options.max_sequences = sequences;
  const MemoryNeed need = backend_by_name("llama.cpp").estimate(ModelSource(path), options);
  const std::uint64_t real = growth(path, options);
  std::printf("%d sequences: estimated %.1f MB + %.1f MB, measured %.1f MB\n", sequences,
              static_cast<double>(need.mapped) / 1e6, static_cast<double>(need.owned) / 1e6,
              static_cast<double>(real) / 1e6);
  EXPECT_LE(need.mapped, std::filesystem::file_size(path));
  // Too little would let in what does not fit, too much would refuse what does.
  EXPECT_GT(need.total() + 4 * kMegabyte, real * 2 / 3);
  EXPECT_LT(need.total(), 2 * real + 16 * kMegabyte);
}

TEST(LlamaCppMemory, TheEstimateOfTheShippedModelIsNearWhatItTakes) {
  if (!kMeasurable) GTEST_SKIP() << "the sanitizer takes memory too";
  for (const int sequences : {1, 16}) expect_good_estimate(test::kModel, sequences);
}

}  // namespace
}  // namespace rwkv
