// A loaded model with its settings, its thread and what it is doing.
#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "bridge/client.h"
#include "bridge/run.h"
#include "host/settings.h"
#include "host/worker.h"
#include "runtime/language_model.h"

namespace rwkv::bridge {

/// Belongs to the runtime's thread, except `model`, which the worker's jobs use.
struct ModelHost {
  ModelHost(int model_id, std::int64_t load) : id(model_id), load_id(load) {
    live.fetch_add(1, std::memory_order_relaxed);
  }
  ModelHost(const ModelHost&) = delete;
  ModelHost& operator=(const ModelHost&) = delete;
  ~ModelHost() { live.fetch_sub(1, std::memory_order_relaxed); }

  /// How many there are in the process.
  static inline std::atomic<std::int64_t> live{0};

  const int id;
  /// Unique in the process, where ids are given again.
  const std::int64_t load_id;
  /// Who loads it. While nobody has been told of the load's end, the model goes with its port, unless that keeps loads.
  PortId loader = 0;
  bool kept_without_loader = false;
  ModelRequest request;  // what was loaded
  std::unique_ptr<LanguageModel> model;
  /// Counts loads in the process: the model loaded last has the highest.
  std::int64_t load_number = 0;
  /// Counts loads and runs of the runtime: the model used last has the highest.
  std::int64_t last_use = 0;
  /// What its cache may take where no budget says less.
  std::uint64_t cache_limit = 0;

  host::ModelSettings settings;

  /// The current run, or the last one: its texts stay readable. Null before the first.
  std::shared_ptr<Run> run;
  bool generating = false;

  /// Something waits for the end of the current run (a Stop, a release, a run that replaces a prefill): requests for
  /// this model wait too, so that they find it as that left it.
  bool draining = false;
  std::deque<std::function<void()>> deferred;
  /// The Stop that the run's end answers.
  std::optional<Origin> stop;

  /// A GenerateStop that the runtime sends by itself waits here for its place beside a poll.
  std::function<void()> end_notice;

  /// How many jobs that are no run it has; they may end after the host.
  const std::shared_ptr<int> jobs = std::make_shared<int>(0);
  /// Ends jobs that are no run: loading, evaluation, saving.
  CancelToken jobs_cancel;
  /// Ends the background evaluation of a new prompt.
  CancelToken warm_up_cancel;

  host::Worker worker;  // last: its jobs use all of the above
};

}  // namespace rwkv::bridge
