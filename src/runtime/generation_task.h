// Generations as tasks of the scheduler: several that were asked for together report to one caller.
#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "runtime/language_model.h"

namespace rwkv {

/// The tasks of one call of LanguageModel::submit(). Used by the scheduler's thread alone once they are submitted.
class GenerationGroup {
 public:
  using OnEnd = std::function<void(std::vector<GenerationResult>)>;

  /// Throws Error(kInvalidArgument) for bad options. The tasks refer to `tokenizer` and `opening`.
  static std::vector<std::shared_ptr<SequenceTask>> make(const Tokenizer& tokenizer, const OpeningRules& opening,
                                                         std::vector<GenerationTask> tasks,
                                                         GenerationCallbacks callbacks, const CancelToken& cancel,
                                                         OnEnd on_end);

 private:
  friend class GenerationJob;

  GenerationCallbacks callbacks_;
  CancelToken cancel_;
  OnEnd on_end_;
  std::vector<GenerationResult> results_;
  std::size_t running_ = 0;
  std::uint64_t done_ = 0;  // prompt tokens of all tasks
  std::uint64_t total_ = 0;
};

}  // namespace rwkv
