// How the scheduler spends time, by a clock that evaluations turn: a busy machine changes no figure.
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <future>
#include <mutex>
#include <thread>

#include "runtime/scheduler.h"

namespace rwkv {
namespace {

constexpr std::chrono::milliseconds kPrefill{1};  // a token
constexpr std::chrono::milliseconds kDecode{10};  // a step

std::atomic<std::chrono::milliseconds> elapsed{};

Evaluator::Time turned_clock() { return Evaluator::Time(elapsed.load()); }

double seconds(std::chrono::milliseconds time) { return std::chrono::duration<double>(time).count(); }

// Its state is its position.
class TurningSequence final : public Sequence {
 public:
  std::int64_t position() const noexcept override { return position_; }
  void reset() override { position_ = 0; }
  State save() const override { return position_ == 0 ? State() : State(StateBytes(1), position_); }
  void restore(const State& state) override { position_ = state.position(); }
  void advance(std::size_t tokens) { position_ += static_cast<std::int64_t>(tokens); }

 private:
  std::int64_t position_ = 0;
};

// Evaluations take as long as the clock says.
class TurningModel final : public Model {
 public:
  TurningModel(int sequences, std::mutex& gate) : gate_(gate) {
    info_.vocabulary = 4;
    info_.width = 1;
    info_.threads = 1;
    info_.device = processor_device();
    info_.stable_chunk = info_.stable_grid = 1;
    for (int size = 1; size <= sequences; ++size) info_.batch_sizes.push_back(size);
  }
  const ModelInfo& info() const noexcept override { return info_; }
  const Vocabulary* embedded_vocabulary() const noexcept override { return nullptr; }
  std::unique_ptr<Sequence> create_sequence() override { return std::make_unique<TurningSequence>(); }
  std::shared_ptr<const StateForm> state_form() const override { return nullptr; }
  void set_threads(int) override {}
  void evaluate(std::span<EvalItem> items, const CancelToken& cancel) override {
    const std::lock_guard lock(gate_);
    cancel.check();
    for (EvalItem& item : items) {
      static_cast<TurningSequence&>(*item.sequence).advance(item.tokens.size());
      if (item.wants == Output::kLastLogits) item.output = logits_;
    }
    const bool is_chunk = items.front().wants == Output::kNone;
    elapsed = elapsed.load() + (is_chunk ? kPrefill * static_cast<int>(items.front().tokens.size()) : kDecode);
  }

 private:
  std::mutex& gate_;
  ModelInfo info_;
  const std::vector<float> logits_ = std::vector<float>(4);
};

// An answer of so many tokens.
class Answer final : public SequenceTask {
 public:
  Answer(std::size_t prompt_tokens, std::size_t answer_tokens, TokenId token = 1)
      : text_(prompt_tokens, token), tokens_(answer_tokens) {}

  const Tokens& text() const override { return text_; }
  const CancelToken& cancel() const override { return cancel_; }
  bool uses_cache() const override { return false; }
  std::optional<TokenId> next(std::span<const float>) override {
    times.push_back(elapsed);
    if (on_token) on_token(times.size());
    return times.size() > tokens_ ? std::nullopt : std::optional<TokenId>(1);
  }
  void end(const Report& report) noexcept override {
    ended_at = elapsed;
    ended_.set_value(report.error ? report.error->code() == ErrorCode::kCancelled ? "cancelled" : report.error->what()
                                  : "whole");
  }
  /// How it ended. Once.
  std::string wait() { return ended_.get_future().get(); }

  std::function<void(std::size_t)> on_token;     // with how many there are
  std::vector<std::chrono::milliseconds> times;  // of its tokens
  std::chrono::milliseconds ended_at{};

 private:
  const Tokens text_;
  const std::size_t tokens_;
  const CancelToken cancel_;
  std::promise<std::string> ended_;
};

class SchedulerTime : public testing::Test {
 protected:
  LoadedModel loaded(int sequences) { return {{}, std::make_unique<TurningModel>(sequences, gate_)}; }
  void make(int sequences) {
    const auto reload = [this, sequences](const CancelToken& cancel) {
      ++loads_;
      while (!may_load_) {
        cancel.check();
        std::this_thread::yield();
      }
      return loaded(sequences);
    };
    scheduler_ = std::make_unique<Scheduler>(loaded(sequences), reload, cache_, speeds_, turned_clock);
  }
  std::shared_ptr<Answer> submit(std::size_t prompt_tokens, std::size_t answer_tokens, TokenId token = 1) {
    auto task = std::make_shared<Answer>(prompt_tokens, answer_tokens, token);
    scheduler_->submit({task});
    return task;
  }

  std::mutex gate_;  // held: no evaluation begins
  std::atomic<bool> may_load_{true};
  std::atomic<int> loads_{0};
  StateCache cache_{0};
  SpeedMeter speeds_;
  std::unique_ptr<Scheduler> scheduler_;
};

TEST_F(SchedulerTime, CallsFromSeveralThreadsShareTheSteps) {
  make(4);
  const auto begin = elapsed.load();
  std::vector<std::shared_ptr<Answer>> answers(4);
  {
    const std::lock_guard lock(gate_);
    std::vector<std::thread> callers;
    for (auto& answer : answers) callers.emplace_back([&] { answer = submit(1, 100); });
    for (std::thread& caller : callers) caller.join();
  }
  for (const auto& answer : answers) EXPECT_EQ(answer->wait(), "whole");
  // The first one may have begun before the others came.
  EXPECT_LE(elapsed.load() - begin, 102 * kDecode);
}

TEST_F(SchedulerTime, ALongPromptDoesNotHoldUpARunningAnswer) {
  make(4);
  const auto stream = std::make_shared<Answer>(1, 250);
  const auto prompt = std::make_shared<Answer>(1500, 1, 2);
  stream->on_token = [&](std::size_t count) {
    if (count == 10) scheduler_->submit({prompt});
  };
  scheduler_->submit({stream});
  EXPECT_EQ(prompt->wait(), "whole");
  EXPECT_EQ(stream->wait(), "whole");
  EXPECT_LT(prompt->ended_at, stream->ended_at) << "they did not run together";
  // Nor does the answer hold up the prompt: its chunks have the greater part of the time.
  EXPECT_LT(prompt->ended_at - stream->times[9], 2 * 1500 * kPrefill);
  for (std::size_t i = 1; i < stream->times.size(); ++i) {
    EXPECT_LE(seconds(stream->times[i] - stream->times[i - 1]), 0.1) << i;
  }
}

TEST_F(SchedulerTime, CancellingOneEndsItAloneAndSoon) {
  make(4);
  const auto one = std::make_shared<Answer>(1, 150);
  const auto other = std::make_shared<Answer>(1, 150);
  std::chrono::milliseconds cancelled{};
  other->on_token = [&](std::size_t count) {
    if (count != 20) return;
    one->cancel().cancel();
    cancelled = elapsed;
  };
  scheduler_->submit({one, other});
  EXPECT_EQ(one->wait(), "cancelled");
  EXPECT_EQ(other->wait(), "whole");
  EXPECT_FALSE(one->times.empty());
  EXPECT_LE(one->ended_at - cancelled, kDecode);
}

TEST_F(SchedulerTime, AWaitingTaskIsCancelledWithoutASequence) {
  make(1);
  const auto running = std::make_shared<Answer>(1, 100);
  const auto waiting = std::make_shared<Answer>(1, 100);
  std::chrono::milliseconds cancelled{};
  running->on_token = [&](std::size_t count) {
    if (count != 20) return;
    waiting->cancel().cancel();
    cancelled = elapsed;
  };
  scheduler_->submit({running, waiting});
  EXPECT_EQ(waiting->wait(), "cancelled");
  EXPECT_EQ(running->wait(), "whole");
  EXPECT_LE(waiting->ended_at - cancelled, kDecode);
  EXPECT_TRUE(waiting->times.empty());
}

TEST_F(SchedulerTime, SeveralTasksThatComeAtOnceWakeTheModelOnce) {
  make(4);
  for (int round = 1; round <= 5; ++round) {
    EXPECT_TRUE(scheduler_->sleep());
    may_load_ = false;
    std::vector<std::shared_ptr<Answer>> answers;
    for (int i = 0; i < 8; ++i) answers.push_back(submit(20, 2));
    may_load_ = true;
    for (const auto& answer : answers) EXPECT_EQ(answer->wait(), "whole");
    EXPECT_EQ(loads_, round);
  }
}

TEST_F(SchedulerTime, AStopWhileTheModelWakesTakesEffectAtOnceAndForThatTaskAlone) {
  make(1);
  may_load_ = false;
  EXPECT_TRUE(scheduler_->sleep());
  const auto stopped = submit(1, 1);
  const auto other = submit(1, 1);
  stopped->cancel().cancel();
  EXPECT_EQ(stopped->wait(), "cancelled");
  EXPECT_TRUE(scheduler_->evaluator().asleep());
  may_load_ = true;
  EXPECT_EQ(other->wait(), "whole");
  // With no task left the load ends as well, and the next one begins anew.
  EXPECT_TRUE(scheduler_->sleep());
  may_load_ = false;
  const auto last = submit(1, 1);
  last->cancel().cancel();
  EXPECT_EQ(last->wait(), "cancelled");
  EXPECT_TRUE(scheduler_->sleep());
  may_load_ = true;
  EXPECT_EQ(submit(1, 1)->wait(), "whole");
}

TEST_F(SchedulerTime, ItsEndDoesNotWaitForALoad) {
  make(1);
  may_load_ = false;
  EXPECT_TRUE(scheduler_->sleep());
  const auto task = submit(1, 1);
  scheduler_.reset();
  EXPECT_EQ(task->wait(), "cancelled");
}

}  // namespace
}  // namespace rwkv
