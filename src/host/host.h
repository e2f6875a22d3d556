// Models by id, and what they may take together.
#pragma once

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

/// How badly the system lacks memory, by what goes: half of the states of models that do nothing; all states; the
/// weights of models that do nothing, too.
enum class MemoryPressure { kModerate, kLow, kCritical };

/// What a folder of states may take where nobody says.
inline constexpr std::int64_t kStateFolderBytes = std::int64_t{1} << 30;

/// Safe from any thread. Nothing here waits for a model.
class Host {
 public:
  /// Which id a model gets.
  enum class Ids { kSmallestFree, kNeverAgain };
  /// Only a loaded model is found; one that is being loaded or released has its id all the same.
  enum class Phase { kLoading, kLoaded, kLeaving };

  explicit Host(Ids ids) : ids_(ids) {}
  Host(const Host&) = delete;
  Host& operator=(const Host&) = delete;

  /// Gives it an id. Throws Error(kCancelled) after take_all().
  void add(const std::shared_ptr<ModelHost>& model, Phase phase = Phase::kLoaded);
  /// Does nothing for a model that is not there.
  void set_phase(const ModelHost& model, Phase phase) noexcept;
  /// False where it is not there.
  bool remove(const ModelHost& model) noexcept;

  /// Null where no loaded model has that id.
  std::shared_ptr<ModelHost> find(std::int64_t id);
  /// Those in this phase, by ascending id.
  std::vector<std::shared_ptr<ModelHost>> models(Phase phase = Phase::kLoaded) const;
  bool has_any(Phase phase) const;
  /// `use` gets each of those and must not use this Host. Without taking memory.
  template <class Use>
  void for_each(Phase phase, const Use& use) const {
    const std::lock_guard lock(mutex_);
    for (const auto& [id, entry] : entries_) {
      if (entry.phase == phase) use(*entry.model);
    }
  }
  /// Without taking memory.
  void cancel_uses() noexcept;

  struct Entry {
    std::shared_ptr<ModelHost> model;
    Phase phase;
  };
  using Entries = std::map<int, Entry>;
  /// Nothing is there any more, and nothing comes.
  Entries take_all() noexcept;

  /// What models are to be loaded with.
  const std::shared_ptr<MemoryBudget>& budget() const noexcept { return budget_; }
  /// By models and what they remember.
  std::uint64_t memory_in_use() const;
  /// Caches share what the budget leaves them. Models that wake up take from that without asking anybody, so this is to
  /// be called again and again.
  void fit_caches();
  /// What the model's cache may take; a budget may leave it less.
  void set_cache_limit(ModelHost& model, std::uint64_t bytes);

  struct Dropped {
    std::uint64_t bytes = 0;
    int caches = 0;
  };
  /// 0: none. States go; for the rest models have to sleep.
  Dropped set_budget(std::uint64_t bytes);
  Dropped drop_states(MemoryPressure pressure);
  /// Of the models that do nothing and are awake the one used longest ago, but for those in `tried` (their load_id);
  /// null where there is none.
  std::shared_ptr<ModelHost> next_to_sleep(const std::set<std::int64_t>& tried) const;

 private:
  int next_id();
  void fit_caches_with_lock();
  template <class Drop>
  Dropped dropped_by(const Drop& drop);

  const Ids ids_;
  const std::shared_ptr<MemoryBudget> budget_ = std::make_shared<MemoryBudget>();

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
