// A generation that a message asked for.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <optional>
#include <set>
#include <utility>

#include "base/error.h"
#include "bridge/client.h"
#include "host/model_host.h"
#include "host/run.h"
#include "protocol/enums.h"
#include "protocol/generation.h"

namespace rwkv::bridge {

/// What it has beside a Run belongs to the runtime's thread, except where it says otherwise.
struct BridgedRun : host::Run {
  enum class Kind { kChat, kCompletion, kPuzzle };

  BridgedRun(Kind run_kind, const Origin& from, std::size_t slots);

  const Kind kind;
  const Origin origin;

  bool prefill_only = false;
  bool notify_end = false;
  bool released = false;          // ended because its model is being released
  bool tells_whole_text = false;  // puzzle: each token comes with the text so far
  /// Who is told of a slot, or of kEverySlot.
  std::set<std::pair<PortId, std::int32_t>> subscriptions;
  /// Whose last look at the text was before the end. They are told once more that the run goes on: clients keep the
  /// text they have when they hear that it has ended.
  std::set<PortId> behind;
  std::chrono::steady_clock::time_point last_push{};

  /// Whether the model's thread has to ask for flushes, and whether one is on its way. From any thread.
  std::atomic<bool> wants_flushes{false};
  std::atomic<bool> flush_due{false};
  /// Set by what decides the run's end: the model's thread when it begins, or a stop while the run still waits for it.
  std::atomic<bool> claimed{false};
  /// Of the model, until then.
  std::weak_ptr<host::ModelHost::Use> use;

  static constexpr std::int32_t kEverySlot = -1;
  /// Who is told of `slot`; of kEverySlot: who is told of any.
  std::set<PortId> listeners(std::int32_t slot) const;
  void unsubscribe(PortId port);
};

protocol::GenerationEndReason to_protocol(EndReason reason) noexcept;
/// Without an error: it was stopped, or ended where the client asked to be told.
protocol::GenerateStop generate_stop(const std::optional<Error>& error);

}  // namespace rwkv::bridge
