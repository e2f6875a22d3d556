// Loading: progress, options, what it is said to need, several models at once, and many one after another.
#include <filesystem>
#include <fstream>
#include <numeric>
#include <stdexcept>
#include <thread>

#include "backend_contract/subject.h"
#include "base/machine.h"

namespace rwkv::test {
namespace {

using Load = Contract;

TEST_P(Load, ProgressGrowsFrom0To1) {
  LoadOptions options = one_thread();
  std::vector<float> parts;
  options.progress = [&](float part) { parts.push_back(part); };
  load_path(write(GetParam().file()), options);
  ASSERT_GE(parts.size(), 3u);
  EXPECT_TRUE(std::is_sorted(parts.begin(), parts.end()));
  EXPECT_GE(parts.front(), 0);
  EXPECT_LT(parts.front(), 1);
  EXPECT_EQ(parts.back(), 1);
  EXPECT_EQ(std::count(parts.begin(), parts.end(), 1.0f), 1);
}

TEST_P(Load, ExceptionOfTheProgressCallbackComesOutAsItIs) {
  struct Own {
    int value;
  };
  const std::string path = write(GetParam().file());
  for (const float when : {0.0f, 0.4f, 1.0f}) {
    LoadOptions options = one_thread();
    options.progress = [&](float part) {
      if (part >= when) throw Own{42};
    };
    try {
      load_path(path, options);
      FAIL() << "loaded";
    } catch (const Own& own) {
      EXPECT_EQ(own.value, 42);
    }
    options.progress = [](float) { throw std::logic_error("the host's own"); };
    EXPECT_THROW(load_path(path, options), std::logic_error);
  }
}

TEST_P(Load, OptionsOutOfRangeAreRefused) {
  const std::string path = write(GetParam().file());
  for (const int sequences : {0, -1, 17}) {
    expect_error(ErrorCode::kInvalidArgument, "number of sequences", [&] { load_path(path, one_thread(sequences)); });
  }
  LoadOptions device = one_thread();
  device.device = "no such device";
  expect_error(ErrorCode::kInvalidArgument, "no such device", [&] { load_path(path, device); });
  expect_error(ErrorCode::kInvalidArgument, "no such device", [&] { backend().estimate(ModelSource(path), device); });
  LoadOptions setting = one_thread();
  setting.settings["no such key"] = "1";
  expect_error(ErrorCode::kInvalidArgument, "no such key", [&] { load_path(path, setting); });
}

TEST_P(Load, EveryDeviceIsOneAModelCanBeLoadedOn) {
  const std::string path = write(GetParam().file());
  const auto devices = backend().devices();
  ASSERT_FALSE(devices.empty());
  for (const Device& device : devices) {
    LoadOptions options = one_thread(1);
    options.device = device.id;
    const auto model = load_path(path, options);
    EXPECT_EQ(model->info().device.id, device.id);
    const auto sequence = model->create_sequence();
    EXPECT_FALSE(feed(*model, *sequence, {1}).empty());
  }
}

TEST_P(Load, TwoModelsOnTwoThreadsDoNotDisturbEachOther) {
  const auto a = load(1);
  const auto b = load(2);
  const Tokens tokens = random_tokens(64, a->info().vocabulary, 1);
  const auto answer = [&](Model& model) {
    const auto sequence = model.create_sequence();
    return feed(model, *sequence, tokens);
  };
  const Logits of_a = answer(*a);
  const Logits of_b = answer(*b);
  if (traits().tolerance > 0) {
    EXPECT_NE(of_a, of_b);
  }
  std::vector<Logits> again(2);
  std::thread other([&] {
    for (int i = 0; i < 5; ++i) again[0] = answer(*a);
  });
  for (int i = 0; i < 5; ++i) again[1] = answer(*b);
  other.join();
  EXPECT_EQ(again[0], of_a);
  EXPECT_EQ(again[1], of_b);
}

std::size_t open_files() {
  std::error_code error;
  const std::filesystem::directory_iterator files("/proc/self/fd", error);
  return static_cast<std::size_t>(std::distance(begin(files), end(files)));
}

TEST_P(Load, ManyOneAfterAnotherKeepNothing) {
  const std::string path = write(GetParam().file());
  const auto load_once = [&] {
    const auto model = load_path(path, one_thread(1));
    const auto sequence = model->create_sequence();
    feed(*model, *sequence, {1});
  };
  load_once();
  const std::size_t before = open_files();
  for (int i = 1; i < traits().loads; ++i) load_once();
  EXPECT_EQ(open_files(), before);
}

// A sanitizer's own memory is part of the process.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr bool kMeasurable = false;
#else
constexpr bool kMeasurable = true;
#endif

// Resident memory of this process, mapped files included.
std::uint64_t resident() {
  give_back_freed_memory();
  std::uint64_t pages = 0;
  std::ifstream("/proc/self/statm") >> pages >> pages;
  return pages * inspect_machine().page_bytes;
}

TEST_P(Load, TheEstimateIsNearWhatAModelTakes) {
  if (!kMeasurable) GTEST_SKIP() << "the sanitizer takes memory too";
  if (!traits().reads_weights) GTEST_SKIP() << "pretends its needs";
  constexpr std::uint64_t kMegabyte = std::uint64_t{1} << 20;
  const TinyShape shape{.version = GetParam().version,
                        .layers = 2,
                        .width = 512,
                        .head_size = 64,
                        .feed_forward = 2048,
                        .vocabulary = 8192};
  const std::string path = write(TinyRwkv(shape).gguf(GetParam().type).bytes());
  for (const int sequences : {1, 16}) {
    const LoadOptions options = one_thread(sequences);
    const MemoryNeed need = backend().estimate(ModelSource(path), options);
    const std::uint64_t before = resident();
    const auto model = load_path(path, options);
    std::vector<std::unique_ptr<Sequence>> all;
    std::vector<EvalItem> items;
    // Long enough to fill the buffers of an engine that reads many tokens at once.
    const Tokens text = random_tokens(model->info().decode_equals_prefill ? 64 : 600, 8192, 1);
    for (int i = 0; i < sequences; ++i) {
      all.push_back(model->create_sequence());
      items.push_back({.sequence = all.back().get(), .tokens = std::span(text).first(i == 0 ? text.size() : 8)});
    }
    model->evaluate(items, {});
    for (EvalItem& item : items) item.tokens = std::span(text).first(1);
    model->evaluate(items, {});
    const std::uint64_t real = resident() - before;
    EXPECT_LE(need.mapped, std::filesystem::file_size(path));
    // Too little would let in what does not fit, too much would refuse what does.
    EXPECT_GT(need.total() + 4 * kMegabyte, real * 2 / 3) << sequences;
    EXPECT_LT(need.total(), 2 * real + 16 * kMegabyte) << sequences;
  }
}

TEST_P(Load, MoreSequencesNeedMore) {
  if (!traits().reads_weights) GTEST_SKIP() << "pretends its needs";
  const std::string path = write(GetParam().file());
  const auto state = load_path(path, one_thread(1))->info().state_bytes;
  const ModelSource source(path);
  EXPECT_GE(backend().estimate(source, one_thread(16)).owned,
            backend().estimate(source, one_thread(1)).owned + 15 * state);
}

FOR_ALL_BACKENDS(Load);

}  // namespace
}  // namespace rwkv::test
