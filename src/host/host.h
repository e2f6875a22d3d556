// All models by their ids, and the memory that they may take together.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <vector>

#include "host/model_host.h"
#include "runtime/memory_budget.h"

namespace rwkv::host {

/// How short of memory the system is. Moderate drops half of the remembered states of idle models, low drops all
/// states, critical puts idle models to sleep as well.
enum class MemoryPressure { kModerate, kLow, kCritical };

/// The most that a folder of states takes where the client sets no limit.
inline constexpr std::int64_t kStateFolderBytes = std::int64_t{1} << 30;

/// Safe from any thread. No function waits for a model.
class Host {
 public:
  /// Which id a model gets.
  enum class Ids { kSmallestFree, kNeverAgain };
  /// find() finds loaded models only; a model that is being loaded or released keeps its id.
  enum class Phase { kLoading, kLoaded, kLeaving };

  explicit Host(Ids ids) : ids_(ids) {}
  Host(const Host&) = delete;
  Host& operator=(const Host&) = delete;

  /// Gives it an id. Throws Error(kCancelled) after take_all().
  void add(const std::shared_ptr<ModelHost>& model, Phase phase = Phase::kLoaded);
  /// Does nothing for a model that this Host does not have.
  void set_phase(const ModelHost& model, Phase phase) noexcept;
  /// False for a model that this Host does not have.
  bool remove(const ModelHost& model) noexcept;

  /// The loaded model with this id, or null.
  std::shared_ptr<ModelHost> find(std::int64_t id);
  /// The models in this phase, by ascending id.
  std::vector<std::shared_ptr<ModelHost>> models(Phase phase = Phase::kLoaded) const;
  bool has_any(Phase phase) const;
  /// Calls `use` with each model in this phase. `use` must not call this Host. Takes no memory.
  template <class Use>
  void for_each(Phase phase, const Use& use) const {
    const std::lock_guard lock(mutex_);
    for (const auto& [id, entry] : entries_) {
      if (entry.phase == phase) use(*entry.model);
    }
  }
  /// Cancels everything that uses a model. Takes no memory.
  void cancel_uses() noexcept;

  struct Entry {
    std::shared_ptr<ModelHost> model;
    Phase phase;
  };
  using Entries = std::map<int, Entry>;
  /// Takes all models out; from then on add() refuses new ones.
  Entries take_all() noexcept;

  /// What the host sets for all loads: the budget, and whether another backend may stand in. Every request goes through
  /// here on its way to its model.
  ModelRequest with_host_options(ModelRequest request) const;
  /// Whether loads that are asked for from now on may use another backend than they name (choose_backend()).
  void allow_stand_in(bool allowed) noexcept { allows_stand_in_ = allowed; }

  /// What models are to be made with.
  const std::shared_ptr<SharedMedia>& media() const noexcept { return media_; }
  /// The budget that models are to be loaded with.
  const std::shared_ptr<MemoryBudget>& budget() const noexcept { return budget_; }
  /// Of all models and their remembered states, in bytes.
  std::uint64_t memory_in_use() const;
  /// Gives the caches the part of the budget that the models leave. A model that wakes up takes from that part without
  /// notice, so callers repeat this call.
  void fit_caches();
  /// The most that the model's cache may take; the budget may leave it less.
  void set_cache_limit(ModelHost& model, std::uint64_t bytes);

  struct Dropped {
    std::uint64_t bytes = 0;
    int caches = 0;
  };
  /// Sets the budget in bytes; 0: none. Drops states that exceed it; for the rest the border puts models to sleep.
  Dropped set_budget(std::uint64_t bytes);
  Dropped drop_states(MemoryPressure pressure);
  /// The model that was used longest ago among those that are idle, awake and not in `tried` (by load_id); null where
  /// there is none.
  std::shared_ptr<ModelHost> next_to_sleep(const std::set<std::int64_t>& tried) const;

 private:
  int next_id();
  void fit_caches_with_lock();
  template <class Drop>
  Dropped dropped_by(const Drop& drop);

  const Ids ids_;
  const std::shared_ptr<MemoryBudget> budget_ = std::make_shared<MemoryBudget>();
  std::atomic<bool> allows_stand_in_ = false;
  const std::shared_ptr<SharedMedia> media_ = std::make_shared<SharedMedia>();

  mutable std::mutex mutex_;  // of all below
  Entries entries_;
  int next_new_id_ = 0;
  bool closed_ = false;
  // What the caches' bounds were set for.
  struct Fitted {
    std::uint64_t limit = 0;
    std::uint64_t granted = 0;
    std::size_t models = 0;
    bool operator==(const Fitted&) const = default;
  };
  Fitted fitted_;
};

/// A Host of models of a border's own type.
template <class Model>
class HostOf : public Host {
 public:
  using Host::Host;

  std::shared_ptr<Model> find(std::int64_t id) { return std::static_pointer_cast<Model>(Host::find(id)); }
  std::vector<std::shared_ptr<Model>> models(Phase phase = Phase::kLoaded) const {
    std::vector<std::shared_ptr<Model>> all;
    for (auto& model : Host::models(phase)) all.push_back(std::static_pointer_cast<Model>(std::move(model)));
    return all;
  }
  template <class Use>
  void for_each(Phase phase, const Use& use) const {
    Host::for_each(phase, [&](ModelHost& model) { use(static_cast<Model&>(model)); });
  }
};

}  // namespace rwkv::host
