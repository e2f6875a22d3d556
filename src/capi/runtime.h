// What a runtime handle stands for: models by id, and the loading of them.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "capi/model_host.h"
#include "capi/per_thread.h"
#include "host/memory_rules.h"

namespace rwkv::capi {

/// Safe from any thread.
class Runtime {
 public:
  Runtime();
  Runtime(const Runtime&) = delete;
  Runtime& operator=(const Runtime&) = delete;
  ~Runtime();

  struct LoadResult {
    int code = 0;  // 0 or a negative result of load()
    int model_id = -1;
  };

  /// Loads on this thread. The new model's id, or a negative error code.
  int load(ModelRequest request) noexcept;
  /// Loads on another. Throws Error(kBusy) while one of these runs.
  void load_async(ModelRequest request);
  bool loading() const;
  /// Of the last load_async; nothing while one runs.
  std::optional<LoadResult> load_result() const;
  /// 0 to 1; 1 when nothing is loading.
  float load_progress() const;

  /// Null for an unknown id. Ids are never given again, so one of a model that is gone names none.
  std::shared_ptr<ModelHost> find(int id) const;
  /// By ascending id.
  std::vector<std::shared_ptr<ModelHost>> models() const;
  /// False for an unknown id. Waits for what the model does.
  bool release(int id);
  /// Cancels loads and models and waits for them; nothing new is accepted.
  void close();

  // runtime_memory.cpp
  /// What the model's cache may take; a budget may leave it less.
  void set_cache_limit(ModelHost& model, std::uint64_t bytes);
  /// 0: none. Gives back what is too much, as far as it can.
  void set_memory_budget(std::uint64_t bytes);
  void release_memory(host::MemoryPressure level);
  /// By models and what they remember.
  std::uint64_t memory_in_use() const;

  /// The same text, for as long as the runtime lives.
  const char* keep(const std::string& text);

  void note_error(const char* message) noexcept;
  std::string last_error() const;

  /// Results whose memory is the library's.
  struct TopTokens {
    std::vector<std::string> texts;
    std::vector<const char*> pointers;  // to the texts, which stay where they are when this moves
  };
  PerThread<TopTokens> top_tokens;
  PerThread<std::vector<std::int32_t>> token_counts;

 private:
  void fit_caches() const;
  void put_to_sleep(const std::function<bool()>& is_enough);
  int insert(const ModelRequest& request, std::unique_ptr<LanguageModel> model);

  mutable std::mutex mutex_;  // of all below
  std::condition_variable load_ended_;
  std::map<int, std::shared_ptr<ModelHost>> models_;
  int loads_ = 0;         // on any thread
  bool loading_ = false;  // in the background
  bool closed_ = false;
  int next_id_ = 0;
  mutable host::CacheBounds cache_bounds_;
  LoadResult load_result_;
  std::set<std::string> kept_;
  std::string last_error_;

  const std::shared_ptr<MemoryBudget> budget_ = std::make_shared<MemoryBudget>();
  std::atomic<float> progress_{0};
  const CancelToken closing_;
  std::thread loader_;
};

}  // namespace rwkv::capi
