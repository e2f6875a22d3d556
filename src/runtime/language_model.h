// A loaded model with its tokenizer: prompts in, answers out.
#pragma once

#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/cancel.h"
#include "engine/backend.h"
#include "runtime/chat_template.h"
#include "runtime/first_tokens.h"
#include "runtime/generation.h"
#include "runtime/speed_meter.h"
#include "runtime/state_cache.h"
#include "text/tokenizer.h"

namespace rwkv {

struct ModelRequest {
  std::string model_path;
  std::string backend;         // empty: found from the file's content
  std::string tokenizer_path;  // empty: the model file's own token list
  LoadOptions options;
};

struct GenerationTask {
  Prompt prompt;
  GenerationOptions options;
};

/// Called on the generating thread.
struct GenerationCallbacks {
  /// Prompt tokens evaluated so far, cached ones included, and their total, over all tasks of a run.
  std::function<void(std::uint64_t done, std::uint64_t total)> on_prefill;
  /// After each choice of a token for task `index`: text() and tokens() of the generation may have grown, and it may have
  /// ended.
  std::function<void(std::size_t index, const Generation&)> on_token;
};

struct GenerationResult {
  EndReason reason = EndReason::kError;
  std::string text;
  Tokens tokens;
  int prompt_tokens = 0;
  int cached_tokens = 0;   // of the prompt, taken from the state cache
  double prefill_seconds = 0;
  double decode_seconds = 0;
  /// With reason kError: what happened.
  std::optional<Error> error;

  /// Tokens evaluated per second, 0 where none were.
  double prefill_speed() const noexcept;
  double decode_speed() const noexcept;
};

/// See LanguageModel::score().
struct Score {
  double log_probability = 0;  // natural logarithm, summed over the target tokens
  bool greedy_matches = false;  // every target token was the most likely one
  std::string greedy_text;      // the most likely tokens at those places
};

class LanguageModel {
 public:
  /// Throws what Backend::load and Vocabulary::from_file throw, and Error(kBadFile) when the vocabulary is not the
  /// model's.
  static std::unique_ptr<LanguageModel> load(const ModelRequest& request);

  const ModelInfo& info() const noexcept { return model_->info(); }
  const Tokenizer& tokenizer() const noexcept { return tokenizer_; }
  void set_threads(int threads) { model_->set_threads(threads); }

  /// Throws Error(kInvalidArgument) without messages and where a byte has no token.
  Prompt chat_prompt(const ChatFormat& format, std::span<const ChatMessage> messages, bool generation_prompt,
                     bool reasoning) const;
  /// `<EOD>` in a completion prompt stands for token 0. An empty prompt becomes token 0.
  Prompt completion_prompt(std::string_view text) const;

  /// Evaluates the prompts and writes the answers, as many at once as the model has sequences and the others as places
  /// become free; blocks until all have ended. Each ends with exactly one reason; the results are in the order of the
  /// tasks. Throws Error(kInvalidArgument) for bad options before anything runs, and Error(kBusy) while another thread
  /// generates with this model.
  std::vector<GenerationResult> generate(std::vector<GenerationTask> tasks, const GenerationCallbacks& callbacks,
                                         const CancelToken& cancel);
  /// The same for one.
  GenerationResult generate(Prompt prompt, const GenerationOptions& options, const GenerationCallbacks& callbacks,
                            const CancelToken& cancel);

  /// Figures of the current or last run.
  const SpeedMeter& speeds() const noexcept { return speeds_; }

  /// Logits after `tokens`, evaluated from the zero state: one value a vocabulary row.
  std::vector<float> logits(std::span<const TokenId> tokens, const CancelToken& cancel);

  /// How well `target` continues `source`: both are tokenised on their own, token 0 stands before the source, and each
  /// target token is predicted from the true ones before it. Throws Error(kInvalidArgument) for an empty target,
  /// Error(kBusy), and Error(kCancelled).
  Score score(std::string_view source, std::string_view target, const CancelToken& cancel);

  /// The state after all of `tokens`, found in the cache or evaluated, and remembered. Throws like logits().
  State state_after(std::span<const TokenId> tokens, const CancelToken& cancel);
  /// Puts a state into the cache as the one after `tokens`. Throws Error(kInvalidArgument) when the model refuses it.
  void remember(std::span<const TokenId> tokens, const State& state);

  /// States of earlier prompts and answers.
  StateCache& cache() noexcept { return cache_; }

 private:
  LanguageModel(std::unique_ptr<Model> model, Tokenizer tokenizer);

  friend class GenerationRun;
  Tokens encode_with_end_of_text(std::string_view text, std::size_t trusted_bytes) const;
  std::unique_lock<std::mutex> take_turn();
  Sequence& first_sequence();

  std::unique_ptr<Model> model_;
  Tokenizer tokenizer_;
  OpeningRules opening_;
  std::mutex busy_;
  std::vector<std::unique_ptr<Sequence>> sequences_;  // made when first needed, kept for the next run
  StateCache cache_;
  SpeedMeter speeds_;
};

}  // namespace rwkv
