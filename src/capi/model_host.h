// A loaded model behind the C ABI: its settings and what it is doing.
#pragma once

#include <condition_variable>
#include <functional>
#include <list>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <vector>

#include "base/cancel.h"
#include "host/generation_stream.h"
#include "host/settings.h"
#include "host/worker.h"
#include "runtime/language_model.h"

namespace rwkv::capi {

/// A generation. Its texts stay readable after it.
struct Run {
  explicit Run(std::size_t slots) : stream(slots, false) {}

  host::GenerationStream stream;  // safe from any thread, as a CancelToken is
  const CancelToken cancel;
};

/// Safe from any thread. There is one generation at a time; evaluations run beside it.
class ModelHost {
 public:
  ModelHost(int id, const ModelRequest& request, std::unique_ptr<LanguageModel> model);
  ModelHost(const ModelHost&) = delete;
  ModelHost& operator=(const ModelHost&) = delete;
  ~ModelHost();

  const int id;
  const std::string model_path;
  const std::string tokenizer_path;  // empty: the model file's own list
  /// What its cache may take where no budget says less; belongs to the runtime, as its lock says.
  std::uint64_t cache_limit;

  LanguageModel& model() noexcept { return *model_; }
  const LanguageModel& model() const noexcept { return *model_; }

  /// What `use` returns, given the settings, while nobody else has them.
  template <class Use>
  auto with_settings(const Use& use) {
    const std::lock_guard lock(settings_mutex_);
    return use(settings_);
  }

  enum class Buffer { kSingle, kBatch };

  /// Starts `work` as a generation whose texts `run` has: on the host's thread, or here and now. `generating()` holds
  /// from before the call returns until after `work` has. Throws Error(kBusy) during another generation, and what
  /// `work` throws when it runs here.
  void start(Buffer buffer, std::shared_ptr<Run> run, std::function<void()> work);
  void run_here(Buffer buffer, std::shared_ptr<Run> run, const std::function<void()>& work);

  enum class Kind { kGeneration, kEvaluation, kWarmUp };
  /// Runs `work` here and now. As a generation it throws Error(kBusy) during another; besides what `work` throws.
  void evaluate(Kind kind, const std::function<void(const CancelToken&)>& work);

  /// Evaluates `text` into the state cache in the background; a generation ends that.
  void warm_up(const std::string& text);

  /// Cancels what uses the model.
  void stop();
  bool generating() const;
  /// Whether it is doing something or going to.
  bool busy() const;
  /// Counts uses in the process: the model used last has the highest.
  std::int64_t last_use() const;
  /// The current or the last one; null before the first.
  std::shared_ptr<Run> run(Buffer buffer) const;
  std::shared_ptr<Run> latest_run() const;

  /// Logits after the live state and `tokens`, which it then holds.
  std::vector<float> advance_live_state(std::span<const TokenId> tokens);
  void clear_live_state();

  /// Called by close() before anything else; at once where that has begun.
  void at_close(std::function<void()> then);
  /// Nothing new is accepted, what runs is cancelled, and when this returns it has ended.
  void close();

 private:
  class Use;
  struct Acceptance {
    CancelToken cancel;
    Kind kind;
  };

  void publish(Buffer buffer, std::shared_ptr<Run> run);

  const std::unique_ptr<LanguageModel> model_;

  std::mutex settings_mutex_;
  host::ModelSettings settings_;

  mutable std::mutex mutex_;  // of all below
  std::condition_variable changed_;
  std::list<Acceptance> uses_;  // running, or jobs of the worker
  std::vector<std::function<void()>> closers_;
  bool generating_ = false;
  std::int64_t last_use_ = 0;
  bool closed_ = false;
  std::shared_ptr<Run> single_;
  std::shared_ptr<Run> batch_;
  std::shared_ptr<Run> latest_;  // one of the two
  Tokens live_tokens_;
  State live_state_;  // the one before the last of the tokens, or an earlier one
  int live_clears_ = 0;

  std::mutex live_turn_;  // whose it is to advance the live state; held while it does

  host::Worker worker_;  // last: its jobs use all of the above
};

}  // namespace rwkv::capi
