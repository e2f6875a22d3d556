// A loaded model behind the C ABI: what its handle's clients read and evaluate.
#pragma once

#include <functional>
#include <memory>
#include <mutex>
#include <span>
#include <vector>

#include "capi/live_objects.h"
#include "host/model_host.h"
#include "host/run.h"

namespace rwkv::capi {

/// Safe from any thread.
class AbiModel : public host::ModelHost {
 public:
  using ModelHost::ModelHost;

  enum class Buffer { kSingle, kBatch };

  /// Starts `work` as a generation whose texts `run` has: on the model's thread, or here and now. `generating()` holds
  /// from before the call returns until after `work` has. Throws Error(kBusy) during another generation, and what
  /// `work` throws when it runs here.
  void start(Buffer buffer, const std::shared_ptr<host::Run>& run, std::function<void()> work);
  void run_here(Buffer buffer, const std::shared_ptr<host::Run>& run, const std::function<void()>& work);

  /// The current or the last one; null before the first.
  std::shared_ptr<host::Run> run(Buffer buffer) const;
  std::shared_ptr<host::Run> latest_run() const;

  /// Logits after the live state and `tokens`, which it then holds.
  std::vector<float> advance_live_state(std::span<const TokenId> tokens);
  void clear_live_state();

  /// Called by end() before anything else; at once where that has begun.
  void at_end(std::function<void()> then);
  /// Nothing new is accepted, what runs is cancelled, and when this returns it has ended.
  void end();

 private:
  std::shared_ptr<Use> accept(Buffer buffer, const std::shared_ptr<host::Run>& run);

  const host::LiveObject counted_{live_objects};

  mutable std::mutex mutex_;  // of all below
  std::vector<std::function<void()>> enders_;
  bool ended_ = false;
  std::shared_ptr<host::Run> single_;
  std::shared_ptr<host::Run> batch_;
  std::shared_ptr<host::Run> latest_;  // one of the two
  Tokens live_tokens_;
  State live_state_;  // the one before the last of the tokens, or an earlier one
  int live_clears_ = 0;

  std::mutex live_turn_;  // whose it is to advance the live state; held while it does
};

}  // namespace rwkv::capi
