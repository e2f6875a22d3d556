// A model as the bridge serves it: what the order of its messages needs.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>

#include "bridge/bridged_run.h"
#include "bridge/client.h"
#include "host/live_object.h"
#include "host/model_host.h"

namespace rwkv::bridge {

/// How many there are in the process.
inline host::LiveCount live_models{0};

/// What it has beside a ModelHost belongs to the runtime's thread.
struct BridgedModel : host::ModelHost {
  using ModelHost::ModelHost;

  /// Who loads it. While nobody has been told of the load's end, the model goes with its port, unless that keeps loads.
  PortId loader = 0;
  bool kept_without_loader = false;
  /// Counts loads in the process by their ends: the model loaded last has the highest.
  std::int64_t load_number = 0;

  /// The current run, or the last one: its texts stay readable. Null before the first.
  std::shared_ptr<BridgedRun> run;
  /// Until clients have been told of its end.
  bool running = false;

  /// Something waits for the end of the current run (a Stop, a release, a run that replaces a prefill): requests for
  /// this model wait too, so that they find it as that left it.
  bool draining = false;
  std::deque<std::function<void()>> deferred;
  /// The Stop that the run's end answers.
  std::optional<Origin> stop;

  /// A GenerateStop that the runtime sends by itself waits here for its place beside a poll.
  std::function<void()> end_notice;

  const host::LiveObject counted{live_models};
};

}  // namespace rwkv::bridge
