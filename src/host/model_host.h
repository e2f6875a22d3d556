// A loaded model with its settings, its thread and what uses it.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <functional>
#include <list>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "base/cancel.h"
#include "base/error.h"
#include "host/settings.h"
#include "host/worker.h"
#include "runtime/language_model.h"

namespace rwkv::host {

/// Safe from any thread once the model is loaded. There is one generation at a time; evaluations run beside it. Borders
/// derive from it what they need beside.
class ModelHost {
 public:
  explicit ModelHost(ModelRequest request);
  ModelHost(const ModelHost&) = delete;
  ModelHost& operator=(const ModelHost&) = delete;
  virtual ~ModelHost() = default;

  /// What its Host calls it; -1 before.
  int id() const noexcept { return id_; }
  const ModelRequest& request() const noexcept { return request_; }
  /// Counts in the process, and is told apart from others' where ids are given again.
  const std::int64_t load_id;

  /// Loads it on this thread; see LanguageModel::load and LoadOptions.
  void load(const CancelToken& cancel, std::function<void(float)> progress);
  /// Frees it. Nobody uses it any more.
  void unload() noexcept { model_.reset(); }
  LanguageModel& model() noexcept { return *model_; }
  const LanguageModel& model() const noexcept { return *model_; }

  /// The settings, which no other thread has while this lives.
  class LockedSettings {
   public:
    explicit LockedSettings(ModelHost& host) : lock_(host.settings_mutex_), settings_(host.settings_) {}
    ModelSettings* operator->() const noexcept { return &settings_; }
    ModelSettings& operator*() const noexcept { return settings_; }

   private:
    const std::unique_lock<std::recursive_mutex> lock_;
    ModelSettings& settings_;
  };
  LockedSettings settings() { return LockedSettings(*this); }

  enum class Kind { kGeneration, kEvaluation, kWarmUp };
  class Use;
  /// Accepts something that uses the model; what evaluates a prompt ahead makes way. Throws Error(kBusy) for anything
  /// but an evaluation during a generation, and Error(kInvalidArgument) once it is closed.
  std::shared_ptr<Use> admit(Kind kind, const CancelToken& cancel);

  using Then = std::function<void(const std::optional<Error>&)>;
  /// Runs `work` on the model's thread, after which the use has ended and `then` is called with what was thrown.
  void post(std::shared_ptr<Use> use, std::function<void()> work, Then then = nullptr);
  /// Runs `work` here and now. Throws like admit(), besides what `work` throws.
  void evaluate(Kind kind, const std::function<void(const CancelToken&)>& work);

  /// Makes `text` the prompt of chats, which is evaluated in the background unless the model generates; a generation
  /// that comes meanwhile ends that.
  void set_prompt(const std::string& text);

  /// Cancels all that uses the model.
  void cancel_uses() noexcept;
  bool generating() const;
  /// Whether something uses the model or is going to.
  bool busy() const;
  /// Counts uses in the process: the model used last has the highest.
  std::int64_t last_use() const;

  /// Nothing new is accepted, and what uses the model is cancelled.
  void close() noexcept;
  void wait_until_unused();

 private:
  friend class Host;
  struct Acceptance {
    CancelToken cancel;
    Kind kind;
  };

  const ModelRequest request_;
  int id_ = -1;                    // the Host's
  std::uint64_t cache_limit_ = 0;  // the Host's: what its cache may take where no budget says less
  std::unique_ptr<LanguageModel> model_;

  std::recursive_mutex settings_mutex_;  // one expression may ask for them twice
  ModelSettings settings_;

  mutable std::mutex mutex_;  // of all below
  std::condition_variable changed_;
  std::list<Acceptance> uses_;  // running, or jobs of the worker
  bool generating_ = false;
  bool closed_ = false;
  std::int64_t last_use_ = 0;

  Worker worker_;  // last: its jobs use all of the above
};

/// From the acceptance of something that uses the model to its end.
class ModelHost::Use {
 public:
  Use(ModelHost& host, Kind kind, const CancelToken& cancel);
  Use(const Use&) = delete;
  Use& operator=(const Use&) = delete;
  ~Use() { end(); }

  /// Before its time: what was accepted is not going to run.
  void end() noexcept;

 private:
  ModelHost& host_;
  std::list<Acceptance>::iterator self_;
  bool ended_ = false;
};

}  // namespace rwkv::host
