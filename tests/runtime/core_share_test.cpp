// Models that compute at the same time: all go on, by weight, and nobody who waits for cores is deaf.
#include "runtime/core_share.h"

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <cmath>
#include <future>
#include <thread>
#include <vector>

#include "base/error.h"
#include "runtime/language_model.h"
#include "support/scratch.h"

namespace rwkv {
namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

double seconds_since(Clock::time_point start) { return std::chrono::duration<double>(Clock::now() - start).count(); }

bool never() { return false; }

TEST(CoreShare, WhoWaitsGivesUpWithinMilliseconds) {
  CoreShare share(1);
  CoreShare::Member one(share);
  CoreShare::Member other(share);
  ASSERT_TRUE(one.acquire(1, never));
  std::atomic<bool> enough{false};
  auto waiting = std::async(std::launch::async, [&] { return other.acquire(1, [&] { return enough.load(); }); });
  EXPECT_EQ(waiting.wait_for(milliseconds(50)), std::future_status::timeout);
  const Clock::time_point start = Clock::now();
  enough = true;
  EXPECT_FALSE(waiting.get());
  EXPECT_LT(seconds_since(start), 0.05);
  one.release();
  EXPECT_TRUE(other.acquire(1, never));
  other.release();
}

TEST(CoreShare, EachDeviceIsSharedByItsIdAndByOneEvaluationAtATime) {
  const Device npu{"npu0", "", DeviceKind::kNpu};
  const Device other_npu{"npu1", "", DeviceKind::kNpu};
  EXPECT_EQ(&CoreShare::of(Device{"cpu", "", DeviceKind::kProcessor}), &CoreShare::of_this_machine());
  EXPECT_EQ(&CoreShare::of(npu), &CoreShare::of(npu));
  EXPECT_NE(&CoreShare::of(npu), &CoreShare::of(other_npu));
  CoreShare::Member first(CoreShare::of(npu));
  CoreShare::Member second(CoreShare::of(npu));
  CoreShare::Member elsewhere(CoreShare::of(other_npu));
  ASSERT_TRUE(first.acquire(4, never));
  EXPECT_FALSE(second.acquire(4, [] { return true; }));
  EXPECT_TRUE(elsewhere.acquire(4, [] { return true; }));
  elsewhere.release();
  first.release();
  EXPECT_TRUE(second.acquire(4, never));
  second.release();
}

TEST(CoreShare, OnlyOneAtATimeWhereTheCoresAreTooFewAndAllAtOnceWhereNot) {
  for (const int cores : {2, 8}) {
    CoreShare share(cores);
    std::atomic<int> computing{0};
    std::atomic<int> most{0};
    std::vector<std::thread> threads;
    for (int i = 0; i < 4; ++i) {
      threads.emplace_back([&] {
        CoreShare::Member member(share);
        for (int turn = 0; turn < 20; ++turn) {
          ASSERT_TRUE(member.acquire(2, never));
          const int now = ++computing;
          for (int seen = most; seen < now && !most.compare_exchange_weak(seen, now);) continue;
          std::this_thread::sleep_for(milliseconds(2));
          --computing;
          member.release();
        }
        member.rest();
      });
    }
    for (std::thread& thread : threads) thread.join();
    EXPECT_EQ(most, cores / 2);
  }
}

TEST(CoreShare, RefusesWeightsThatAreNone) {
  CoreShare share(1);
  CoreShare::Member member(share);
  for (const double weight : {0.0, -1.0, 1e9, std::nan("")}) {
    EXPECT_THROW(member.set_weight(weight), Error);
  }
  EXPECT_EQ(member.weight(), 1.0);
  member.set_weight(3);
  EXPECT_EQ(member.weight(), 3.0);
}

// Models that need all cores of any machine, so that they must take turns.
class TwoModels : public ::testing::Test {
 protected:
  std::unique_ptr<LanguageModel> load(const std::string& fields) {
    const auto path = scratch_.path() / "model.json";
    test::write_file(path, R"({"rwkv_script": 1, "threads": 1000, )" + fields + "}");
    ModelRequest request;
    request.model_path = path;
    return LanguageModel::load(request);
  }

  static Prompt ask(const LanguageModel& model, const std::string& text = "go on") {
    return model.chat_prompt({}, alternate_roles(std::vector<std::string>{text}), true, false);
  }

  // Writes for so long; how many tokens.
  static std::size_t busy(LanguageModel& model, Clock::time_point end) {
    std::size_t tokens = 0;
    while (Clock::now() < end) {
      const auto result = model.generate(ask(model), {}, {}, CancelToken());
      EXPECT_NE(result.reason, EndReason::kError);
      tokens += result.tokens.size();
    }
    return tokens;
  }

  test::ScratchFolder scratch_;
};

TEST_F(TwoModels, BothGoOnAndShareByWeight) {
  const std::string fields = R"("decode_us": 3000, "replies": [{"say": ")" + std::string(40, 'x') + "\"}]";
  const auto light = load(fields);
  const auto heavy = load(fields);
  heavy->set_weight(4);
  const auto end = Clock::now() + milliseconds(3000);
  auto of_heavy = std::async(std::launch::async, [&] { return busy(*heavy, end); });
  const std::size_t of_light = busy(*light, end);
  EXPECT_GT(of_light, 0u);
  // 4 by the books; a busy machine blurs it.
  EXPECT_GT(static_cast<double>(of_heavy.get()), 2.0 * static_cast<double>(of_light));
}

TEST_F(TwoModels, AStreamGoesOnWhileAnotherModelReadsALongText) {
  const auto reader = load(R"("prefill_us": 1000)");
  const auto writer = load(R"("decode_us": 30000, "replies": [{"say": ")" + std::string(40, 'x') + "\"}]");
  const CancelToken stop;
  auto reading = std::async(
      std::launch::async, [&] { return reader->generate(ask(*reader, std::string(60000, 'x')), {}, {}, stop).reason; });
  std::this_thread::sleep_for(milliseconds(600));
  std::vector<Clock::time_point> tokens;
  GenerationCallbacks callbacks;
  callbacks.on_token = [&](std::size_t, const Generation&) { tokens.push_back(Clock::now()); };
  writer->generate(ask(*writer), {}, callbacks, CancelToken());
  EXPECT_EQ(reading.wait_for(milliseconds(0)), std::future_status::timeout);
  stop.cancel();
  EXPECT_EQ(reading.get(), EndReason::kCancelled);
  ASSERT_GE(tokens.size(), 40u);
  // With pieces of 0.25 s, as of a text with nobody beside it, every eighth or so would take so long.
  int long_gaps = 0;
  for (std::size_t i = 1; i < tokens.size(); ++i) {
    if (tokens[i] - tokens[i - 1] > milliseconds(200)) ++long_gaps;
  }
  EXPECT_LE(long_gaps, 2);
}

TEST_F(TwoModels, AStopWhileAModelWaitsForCoresTakesEffectAtOnce) {
  const auto slow = load(R"("decode_us": 2000000, "replies": [{"say": "aaaa"}])");
  const CancelToken stop_slow;
  auto running = std::async(std::launch::async, [&] { return slow->generate(ask(*slow), {}, {}, stop_slow).reason; });
  std::this_thread::sleep_for(milliseconds(100));  // now all cores are taken
  const auto model = load(R"("replies": [{"say": "aaaa"}])");
  const CancelToken stop;
  auto waiting = std::async(std::launch::async, [&] {
    std::vector<GenerationTask> tasks(2, {ask(*model), {}});
    return model->generate(std::move(tasks), {}, stop).front().reason;
  });
  EXPECT_EQ(waiting.wait_for(milliseconds(100)), std::future_status::timeout);
  const Clock::time_point start = Clock::now();
  stop.cancel();
  EXPECT_EQ(waiting.get(), EndReason::kCancelled);
  EXPECT_LT(seconds_since(start), 0.1);
  stop_slow.cancel();
  EXPECT_EQ(running.get(), EndReason::kCancelled);
}

}  // namespace
}  // namespace rwkv
