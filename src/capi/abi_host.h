// What a runtime handle stands for: models by id, how they are loaded, and results whose memory is the library's.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <future>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "capi/abi_model.h"
#include "capi/per_thread.h"
#include "host/host.h"

namespace rwkv::capi {

/// Safe from any thread.
class AbiHost : public host::HostOf<AbiModel> {
 public:
  AbiHost() : HostOf(Ids::kNeverAgain) {}
  ~AbiHost() { close(); }

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

  /// False for an unknown id. Waits for what the model does.
  bool release(int id);
  /// Cancels loads and models and waits for them; nothing new is accepted.
  void close();

  /// 0: none. Gives back what is too much, as far as it can.
  void set_memory_budget(std::uint64_t bytes);
  void release_memory(host::MemoryPressure pressure);

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
  void put_to_sleep(const std::function<bool()>& is_enough);

  const host::LiveObject counted_{live_objects};

  mutable std::mutex mutex_;  // of all below
  std::condition_variable load_ended_;
  int loads_ = 0;  // on any thread
  std::shared_future<int> background_;
  bool closed_ = false;
  std::set<std::string> kept_;
  std::string last_error_;

  std::atomic<float> progress_{0};
  const CancelToken closing_;
};

}  // namespace rwkv::capi
