// Tasks of the scheduler that choose no tokens; a thread waits for their end.
#pragma once

#include <future>
#include <string>
#include <vector>

#include "runtime/generation.h"
#include "runtime/sequence_task.h"
#include "text/tokenizer.h"

namespace rwkv {

/// A task whose end is waited for.
class WaitedTask : public SequenceTask {
 public:
  WaitedTask(Tokens text, const CancelToken& cancel) : text_(std::move(text)), cancel_(cancel) {}

  const Tokens& text() const override { return text_; }
  const CancelToken& cancel() const override { return cancel_; }
  std::optional<TokenId> next(std::span<const float>) override { return std::nullopt; }
  void end(const Report& report) noexcept override { ended_.set_value(report); }

  /// Waits for the end; throws what the task ended with. Once.
  Report wait();

 private:
  const Tokens text_;
  const CancelToken cancel_;
  std::promise<Report> ended_;
};

/// The state after a prompt.
class StateTask final : public WaitedTask {
 public:
  StateTask(Prompt prompt, const CancelToken& cancel) : WaitedTask(prompt.tokens, cancel), prompt_(std::move(prompt)) {}

  bool continues() const override { return false; }
  std::span<const std::size_t> turn_ends() const override { return prompt_.turn_ends; }
  std::span<const MediaPlace> media() const override { return prompt_.media; }
  State start() const override { return prompt_.start; }

 private:
  const Prompt prompt_;
};

/// The state after a text whose beginning `start` stands for; the cache has no part in it.
class LiveStateTask final : public WaitedTask {
 public:
  LiveStateTask(Tokens text, State start, const CancelToken& cancel)
      : WaitedTask(std::move(text), cancel), start_(std::move(start)) {}

  bool continues() const override { return false; }
  bool uses_cache() const override { return false; }
  State start() const override { return start_; }

 private:
  const State start_;
};

/// The logits after a text whose beginning `start` stands for.
class LogitsTask final : public WaitedTask {
 public:
  LogitsTask(Tokens text, State start, const CancelToken& cancel)
      : WaitedTask(std::move(text), cancel), start_(std::move(start)) {}

  bool uses_cache() const override { return false; }
  State start() const override { return start_; }
  std::optional<TokenId> next(std::span<const float> logits) override {
    logits_.assign(logits.begin(), logits.end());
    return std::nullopt;
  }
  std::vector<float>& logits() noexcept { return logits_; }

 private:
  const State start_;
  std::vector<float> logits_;
};

/// See LanguageModel::score().
struct Score {
  double log_probability = 0;  // natural logarithm, summed over the target tokens
  bool greedy_matches = true;  // every target token was the most likely one
  std::string greedy_text;     // the most likely tokens at those places
};

/// How likely `target` is after a text, each of its tokens after the true ones before it.
class ScoreTask final : public WaitedTask {
 public:
  /// Neither is empty; `tokenizer` outlives the task.
  ScoreTask(const Tokenizer& tokenizer, const Tokens& text, Tokens target, const CancelToken& cancel);

  bool continues() const override { return false; }
  bool uses_cache() const override { return false; }
  std::size_t scores_from() const override { return text().size() - target_.size(); }
  void scored(std::span<const float> logits) override;
  const Score& score() const noexcept { return score_; }

 private:
  const Tokenizer& tokenizer_;
  const Tokens target_;
  std::size_t scored_ = 0;
  Score score_;
};

}  // namespace rwkv
