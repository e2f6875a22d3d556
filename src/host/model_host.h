// A loaded model with its settings, its thread and the uses that it has admitted.
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
#include "host/senses.h"
#include "host/settings.h"
#include "host/worker.h"
#include "runtime/language_model.h"

namespace rwkv::host {

/// Safe from any thread once the model is loaded. It runs one generation at a time, and evaluations beside it. Each
/// border derives a class of its own with what it needs in addition.
class ModelHost {
 public:
  /// `media` is that of its Host.
  ModelHost(ModelRequest request, std::shared_ptr<SharedMedia> media);
  ModelHost(const ModelHost&) = delete;
  ModelHost& operator=(const ModelHost&) = delete;
  virtual ~ModelHost() = default;

  /// The id that its Host has given it; -1 before.
  int id() const noexcept { return id_; }
  const ModelRequest& request() const noexcept { return request_; }
  /// What clients are told: the backend that they named, also where another stands in for it; where they named none,
  /// the one that was chosen.
  std::string backend_name() const;
  /// Unique in the process, so that it tells models apart where an id is given again.
  const std::int64_t load_id;

  /// Loads it on this thread; see LanguageModel::load and LoadOptions.
  void load(const CancelToken& cancel, std::function<void(float)> progress);
  /// Frees the model. Call it when no use is left.
  void unload() noexcept { model_.reset(); }
  LanguageModel& model() noexcept { return *model_; }
  const LanguageModel& model() const noexcept { return *model_; }
  /// Once it is loaded.
  Senses& senses() noexcept { return *senses_; }
  const Senses& senses() const noexcept { return *senses_; }
  SharedMedia& media() noexcept { return *media_; }

  /// The settings, locked against other threads as long as this object lives.
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
  /// Admits a use of the model and ends the warm-up of a prompt, if one runs. During a generation only evaluations are
  /// admitted: throws Error(kBusy) for others. Throws Error(kInvalidArgument) once the host is closed.
  std::shared_ptr<Use> admit(Kind kind, const CancelToken& cancel);

  using Then = std::function<void(const std::optional<Error>&)>;
  /// Runs `work` on the worker's thread, ends the use, and calls `then` with the error that `work` threw, or with
  /// nothing.
  void post(std::shared_ptr<Use> use, std::function<void()> work, Then then = nullptr);
  /// Runs `work` on the calling thread. Throws like admit(), and what `work` throws.
  void evaluate(Kind kind, const std::function<void(const CancelToken&)>& work);

  /// Makes `text` the prompt of chats. Unless the model generates, the prompt is evaluated in the background until the
  /// next generation begins.
  void set_prompt(const std::string& text);
  /// Gives the model an encoder that takes pictures or sound. Throws what SharedMedia::load and Senses::attach throw,
  /// and Error(kInvalidArgument) for an encoder that takes the other.
  void load_encoder(EncoderInfo::Takes takes, const EncoderFiles& files, const CancelToken& cancel);
  /// Makes a recording the prompt of chats, as `<audio src="PATH">`, and evaluates it on this thread. Throws what
  /// Senses::perceive, LanguageModel::encode_media and LanguageModel::state_after throw, and then changes nothing.
  void set_audio_prompt(const std::string& path, const CancelToken& cancel);

  /// Cancels all uses.
  void cancel_uses() noexcept;
  bool generating() const;
  /// Whether the model has a use that runs or waits.
  bool busy() const;
  /// The number of its last use; uses are counted in the process, so the model used last has the highest.
  std::int64_t last_use() const;

  /// Admits nothing from now on and cancels all uses.
  void close() noexcept;
  void wait_until_unused();

 private:
  friend class Host;
  // Evaluates the prompt of chats, so that they begin with its state.
  void read_prompt(ChatFormat format, const CancelToken& cancel);

  struct Acceptance {
    CancelToken cancel;
    Kind kind;
  };

  const ModelRequest request_;
  const std::shared_ptr<SharedMedia> media_;
  int id_ = -1;                    // the Host's
  std::uint64_t cache_limit_ = 0;  // the Host's: what its cache may take where no budget says less
  std::unique_ptr<LanguageModel> model_;
  std::unique_ptr<Senses> senses_;

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

/// A use of the model, from its admission to its end.
class ModelHost::Use {
 public:
  Use(ModelHost& host, Kind kind, const CancelToken& cancel);
  Use(const Use&) = delete;
  Use& operator=(const Use&) = delete;
  ~Use() { end(); }

  /// Ends it early: its work is not going to run.
  void end() noexcept;

 private:
  ModelHost& host_;
  std::list<Acceptance>::iterator self_;
  bool ended_ = false;
};

}  // namespace rwkv::host
