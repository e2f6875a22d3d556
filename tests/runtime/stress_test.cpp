// Several models, many conversations, random stops, releases and loads: everything that was asked is answered once.
// RWKV_STRESS_SECONDS sets how long.
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <cstdlib>
#include <mutex>
#include <random>
#include <thread>

#include "runtime/language_model.h"
#include "support/scratch.h"

namespace rwkv {
namespace {

using test::ScratchFolder;
using Clock = std::chrono::steady_clock;

constexpr int kModels = 4;
constexpr int kConversations = 16;

// A place for a model that may be released and loaded again while others use it.
struct Place {
  std::mutex mutex;
  std::shared_ptr<LanguageModel> model;

  std::shared_ptr<LanguageModel> get() {
    const std::lock_guard lock(mutex);
    return model;
  }
  void set(std::shared_ptr<LanguageModel> other) {
    const std::lock_guard lock(mutex);
    model.swap(other);
  }
};

TEST(Stress, EveryRequestIsAnsweredWhateverIsStoppedReleasedAndLoaded) {
  const ScratchFolder scratch;
  const auto path = scratch.path() / "model.json";
  test::write_file(path, R"({"rwkv_script": 1, "prefill_us": 2, "decode_us": 100,
                             "replies": [{"when": "long", "say": ")" +
                             std::string(300, 'l') + R"("}, {"say": "a short answer"}]})");
  const auto load = [&](int index) {
    ModelRequest request;
    // The last one is a real model.
    request.model_path = index + 1 == kModels ? std::string(test::kModel) : path.string();
    request.options.threads = 1;
    request.options.max_sequences = 1 + index * 2;
    auto model = LanguageModel::load(request);
    model->cache().set_limit(std::uint64_t{1} << 20);
    return std::shared_ptr<LanguageModel>(std::move(model));
  };
  Place places[kModels];
  for (int i = 0; i < kModels; ++i) places[i].set(load(i));

  const char* wanted = std::getenv("RWKV_STRESS_SECONDS");
  const auto end = Clock::now() + std::chrono::seconds(wanted ? std::atoi(wanted) : 3);
  std::atomic<int> asked{0};
  std::atomic<int> answered{0};
  std::atomic<int> cancelled{0};

  const auto converse = [&](unsigned seed) {
    std::mt19937 random(seed);
    std::vector<std::string> messages;
    while (Clock::now() < end) {
      const auto model = places[random() % kModels].get();
      if (messages.size() > 8) messages.resize(random() % 4 * 2);
      messages.push_back((random() % 4 ? "quick " : "long ") + std::string(random() % 300, 'q'));
      GenerationOptions options;
      options.max_tokens = static_cast<int>(random() % 60);
      const CancelToken cancel;
      GenerationCallbacks callbacks;
      if (random() % 3 == 0) {
        callbacks.on_token = [&, at = random() % 30](std::size_t, const Generation& generation) {
          if (generation.tokens().size() == at) cancel.cancel();
        };
      }
      std::vector<GenerationTask> tasks;
      for (std::size_t i = 0; i < 1 + random() % 3; ++i) {
        tasks.push_back({model->chat_prompt({}, alternate_roles(messages), true, false), options});
      }
      asked += static_cast<int>(tasks.size());
      const auto results = model->generate(std::move(tasks), callbacks, cancel);
      for (const GenerationResult& result : results) {
        ++answered;
        if (result.reason == EndReason::kCancelled) ++cancelled;
        EXPECT_NE(result.reason, EndReason::kError) << result.error->what();
      }
      messages.push_back(results.front().text);
      if (random() % 20 == 0) model->score("a", "b", CancelToken());
    }
  };
  std::vector<std::thread> threads;
  for (unsigned i = 0; i < kConversations; ++i) threads.emplace_back(converse, i);
  std::mt19937 random(99);
  int loads = 0;
  while (Clock::now() < end) {
    std::this_thread::sleep_for(std::chrono::milliseconds(20 + random() % 60));
    const int index = static_cast<int>(random() % kModels);
    // The old one goes when the last conversation has let go of it.
    places[index].set(load(index));
    ++loads;
    if (const auto model = places[random() % kModels].get(); random() % 2) {
      model->cache().clear();
    } else {
      model->set_threads(1);
    }
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(asked, answered);
  EXPECT_GT(answered, kConversations);
  std::printf("%d answers, %d of them cancelled, %d loads\n", answered.load(), cancelled.load(), loads);
}

}  // namespace
}  // namespace rwkv
