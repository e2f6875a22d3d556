// One run of a model over a list of tasks: prefill, steps of all sequences together, ends.
#pragma once

#include <chrono>
#include <cstddef>
#include <deque>
#include <memory>
#include <optional>
#include <vector>

#include "runtime/language_model.h"

namespace rwkv {

/// Used by LanguageModel, which holds its lock meanwhile.
class GenerationRun {
 public:
  /// Throws Error(kInvalidArgument) for bad options.
  GenerationRun(LanguageModel& model, std::vector<GenerationTask> tasks, const GenerationCallbacks& callbacks,
                const CancelToken& cancel);

  std::vector<GenerationResult> run();

 private:
  using Clock = std::chrono::steady_clock;

  // A task that has a sequence.
  struct Slot {
    std::size_t task;
    Sequence* sequence;
    TokenId token;    // chosen and not yet evaluated
    Tokens absorbed;  // what the sequence has evaluated
    Clock::time_point started;
  };

  void admit_waiting();
  void admit(std::size_t task, Sequence* sequence);
  std::span<const float> prefill(std::size_t task, Sequence& sequence);
  void prefill_body(std::size_t task, Sequence& sequence, std::span<const TokenId> body, std::size_t done);
  void step();
  std::optional<TokenId> choose(std::size_t task, std::span<const float> logits);
  void retire(const Slot& slot);
  void end_all(EndReason reason, const std::optional<Error>& error);
  void report_progress(std::uint64_t more);

  LanguageModel& model_;
  const GenerationCallbacks& callbacks_;
  const CancelToken& cancel_;
  std::vector<std::unique_ptr<Generation>> generations_;  // one a task
  std::vector<GenerationResult> results_;
  std::size_t shared_prefix_ = 0;  // tokens with which all prompts begin
  std::deque<std::size_t> waiting_;
  std::vector<Sequence*> free_;
  std::vector<Slot> slots_;
  std::uint64_t prompt_tokens_done_ = 0;
  std::uint64_t prompt_tokens_total_ = 0;
};

}  // namespace rwkv
