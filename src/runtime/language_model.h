// A loaded model with its tokenizer: prompts in, answers out.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/cancel.h"
#include "engine/backend.h"
#include "formats/state_file.h"
#include "runtime/first_tokens.h"
#include "runtime/generation.h"
#include "runtime/prefill_tasks.h"
#include "runtime/prompt_builder.h"
#include "runtime/scheduler.h"
#include "runtime/speed_meter.h"
#include "runtime/state_cache.h"
#include "text/tokenizer.h"

namespace rwkv {

struct ModelRequest {
  std::string model_path;
  std::string backend;         // empty or "auto": found from the file's content and the options
  std::string tokenizer_path;  // empty: the model file's own token list
  LoadOptions options;
  /// What it counts against besides the machine's memory. Null: nothing.
  std::shared_ptr<MemoryBudget> budget = nullptr;
  /// See choose_backend().
  bool allows_stand_in = false;
};

struct GenerationTask {
  Prompt prompt;
  GenerationOptions options;
  /// Ends this task alone. Nothing: the token of the whole run does.
  std::optional<CancelToken> cancel = std::nullopt;
};

/// Called on the model's thread, which serves everybody else as well: they must not take long nor wait for this model.
struct GenerationCallbacks {
  /// Prompt tokens evaluated so far, cached ones included, and their total, over all tasks of a run.
  std::function<void(std::uint64_t done, std::uint64_t total)> on_prefill;
  /// After each choice of a token for task `index`: text() and tokens() of the generation may have grown, and it may
  /// have ended.
  std::function<void(std::size_t index, const Generation&)> on_token;
};

struct GenerationResult {
  EndReason reason = EndReason::kError;
  std::string text;
  Tokens tokens;
  int prompt_tokens = 0;
  int cached_tokens = 0;       // of the prompt, that did not have to be evaluated for this run
  double prefill_seconds = 0;  // from the first piece of work to the first token, neighbours' work included
  double decode_seconds = 0;   // from there to the end
  /// With reason kError: what happened.
  std::optional<Error> error;

  /// Tokens evaluated per second, 0 where none were.
  double prefill_speed() const noexcept;
  double decode_speed() const noexcept;
};

/// Every method may be called from any thread at any time, except the destructor.
class LanguageModel {
 public:
  /// Cancels what is going on and waits for it.
  ~LanguageModel();

  /// Throws what Backend::load and Vocabulary::from_file throw, Error(kBadFile) when the vocabulary is not the model's,
  /// and Error(kOutOfMemory) with the figures before any weights are touched when the model does not fit into memory.
  static std::unique_ptr<LanguageModel> load(const ModelRequest& request);

  const ModelInfo& info() const noexcept { return info_; }
  const Tokenizer& tokenizer() const noexcept { return tokenizer_; }
  /// Throws Error(kInvalidArgument). Waits for a running evaluation.
  void set_threads(int threads);
  /// Its share of the processors beside other models of the process: 1 unless set, 0.001 to 1000, or
  /// Error(kInvalidArgument) is thrown. With 3 against 1 it computes three times as long while both have work.
  void set_weight(double weight) { scheduler_.evaluator().cores().set_weight(weight); }
  double weight() const { return scheduler_.evaluator().cores().weight(); }

  /// See PromptBuilder.
  const PromptBuilder& prompts() const noexcept { return prompts_; }
  Prompt chat_prompt(const ChatFormat& format, std::span<const ChatMessage> messages, bool generation_prompt,
                     bool reasoning) const;
  Prompt completion_prompt(std::string_view text) const;

  /// Evaluates the prompts and writes the answers; blocks until all have ended. Each ends with exactly one reason; the
  /// results are in the order of the tasks. Calls from several threads run together, as many sequences at once as the
  /// model has, the others as places become free; what each gets does not depend on its neighbours. Throws
  /// Error(kInvalidArgument) for bad options before anything runs, and Error(kBusy) in a callback of this model.
  std::vector<GenerationResult> generate(std::vector<GenerationTask> tasks, const GenerationCallbacks& callbacks,
                                         const CancelToken& cancel);
  /// The same for one.
  GenerationResult generate(Prompt prompt, const GenerationOptions& options, const GenerationCallbacks& callbacks,
                            const CancelToken& cancel);
  /// The same without waiting, also in a callback: `on_end` is called once, as the callbacks are.
  void submit(std::vector<GenerationTask> tasks, GenerationCallbacks callbacks, const CancelToken& cancel,
              std::function<void(std::vector<GenerationResult>)> on_end);

  /// Encodes what a prompt shows, but for what a remembered state stands for, on this thread, while the model prefills
  /// the text before it. generate() and submit() encode what is missing as well, but others wait for that. `progress`
  /// hears of the encoded share of all that has to be encoded. Throws what Embeddings::encode throws.
  void encode_media(const Prompt& prompt, bool use_cache, const CancelToken& cancel,
                    const Embeddings::Progress& progress);

  /// Gives back weights, sequences and buffers unless a task runs or waits; returns whether the model is asleep. What
  /// is asked of it next loads it again, and reports what goes wrong with that: Error(kOutOfMemory) where it does not
  /// fit any more, Error(kBadFile) where the file is another one. Nothing but time is lost: settings, tokenizer and the
  /// states in the cache stay. Not in a callback of this model.
  bool sleep();

  struct MemoryUse {
    bool asleep = false;
    MemoryNeed model;  // as estimated; 0 while it is asleep
    StateCache::Stats cache;
  };
  MemoryUse memory_use() const;
  /// What it takes while it is awake.
  const MemoryNeed& memory_need() const noexcept { return need_; }

  /// How many tasks run and wait at the moment.
  Scheduler::Activity activity() const { return scheduler_.activity(); }
  /// Returns when nothing runs and waits and the states for the next turns are made.
  void wait_until_settled() { scheduler_.wait_until_settled(); }

  /// Figures since the model last began to generate.
  const SpeedMeter& speeds() const noexcept { return speeds_; }

  /// Logits after `tokens`, evaluated from the zero state: one value a vocabulary row. Throws Error(kInvalidArgument)
  /// for none or bad ones, Error(kCancelled). This and what follows wait their turn beside generations.
  std::vector<float> logits(std::span<const TokenId> tokens, const CancelToken& cancel);
  /// The same, where `state` is the one after the first of the tokens. It is then the one before the last of them, so
  /// that a caller who goes on does not read them again.
  std::vector<float> logits(std::span<const TokenId> tokens, State& state, const CancelToken& cancel);
  /// The same after a text that is being typed: states at 1/2, 3/4, 7/8 ... of it are remembered, so that a change near
  /// its end costs only what follows it.
  std::vector<float> logits_of_draft(std::string_view text, const CancelToken& cancel);

  /// How well `target` continues `source`: both are tokenised on their own, token 0 stands before the source, and each
  /// target token is predicted from the true ones before it. Throws Error(kInvalidArgument) for an empty target and
  /// Error(kCancelled).
  Score score(std::string_view source, std::string_view target, const CancelToken& cancel);

  /// The state after all of the prompt's tokens, found in the cache or evaluated, and remembered. Throws like logits().
  State state_after(const Prompt& prompt, const CancelToken& cancel);
  State state_after(std::span<const TokenId> tokens, const CancelToken& cancel);
  /// Puts a state into the cache as the one after `tokens`. Throws Error(kInvalidArgument) when the model refuses it.
  void remember(std::span<const TokenId> tokens, const State& state);

  // language_model_states.cpp

  // Error(kUnsupported) for all of them where the backend keeps its states to itself (Model::state_form()).

  /// Writes the state after a prompt to a file (formats/state_file.h). Throws like state_after() and
  /// write_state_file().
  void save_state(const std::string& path, const Prompt& prompt, StateType type, const CancelToken& cancel);
  /// Remembers the state in such a file, or in one that the existing engine saved. Throws like read_state_file(),
  /// Error(kInvalidArgument) for another model's, and Error(kUnsupported) for one of a backend of another kind.
  void load_state(const std::string& path);

  /// Prompts that begin with initial_state_tag(path) are read from the tuned state in that file on (initial_state.h).
  /// A file that is loaded already is not read again. Throws like read_initial_state().
  void load_initial_state(const std::string& path);
  /// Forgets it and what was read after it; what runs goes on.
  void unload_initial_state(const std::string& path);

  /// Keeps states of conversations in files below `folder`, at most `limit_bytes` of them, and finds those that were
  /// kept there before, by other processes too; an empty name: no longer. Throws like DiskCache.
  void set_state_folder(const std::string& folder, std::uint64_t limit_bytes);

  /// States of earlier prompts and answers.
  StateCache& cache() noexcept { return cache_; }

 private:
  LanguageModel(const ModelRequest& request, LoadedModel loaded, Tokenizer tokenizer);

  LoadedModel load_again(const CancelToken& cancel);
  /// Throws Error(kUnsupported) where the backend does not tell it.
  const StateForm& state_form() const;

  SequenceTask::Report run(const std::shared_ptr<WaitedTask>& task);
  void refuse_on_own_thread() const;

  ModelRequest request_;  // to load it again; its threads change between steps
  ModelInfo info_;
  const std::shared_ptr<const StateForm> state_form_;  // may be null
  const MemoryNeed need_;
  Tokenizer tokenizer_;
  PromptBuilder prompts_;
  OpeningRules opening_;
  StateCache cache_;
  SpeedMeter speeds_;
  Scheduler scheduler_;  // last: its thread uses all of the above
};

}  // namespace rwkv
