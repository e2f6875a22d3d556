// Calls a client's function for each new token of a generation.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <deque>
#include <mutex>
#include <string>
#include <vector>

#include "base/cancel.h"
#include "runtime/generation.h"
#include "rwkv_mobile.h"

namespace rwkv::capi {

/// Throws Error(kBusy) on a thread that is inside a client's function: a release would wait for that to return.
void refuse_inside_callback();

/// Takes tokens from the thread that generates, which must not wait, and calls the client's function on another.
class TokenTeller {
 public:
  /// One of the functions is null. `begun_texts`: what the slots' texts begin with.
  TokenTeller(rwkvmobile_on_token single, rwkvmobile_on_batch_tokens batch, std::vector<std::string> begun_texts);

  /// On the generating thread: slot `slot` may have grown.
  void take(std::size_t slot, const Generation& generation);
  /// Nothing more will be taken.
  void finish();

  /// On the other: calls the client's function for all that is taken, until finish() or until `cancel` is raised.
  void tell(const CancelToken& cancel);

 private:
  struct Piece {
    std::size_t slot;
    int token;
    std::string text;
  };
  // How much of a generation was taken.
  struct Taken {
    std::size_t bytes = 0;
    std::size_t tokens = 0;
  };

  void call(const Piece& piece);

  const rwkvmobile_on_token single_;
  const rwkvmobile_on_batch_tokens batch_;
  std::vector<Taken> taken_;        // of the generating thread
  std::vector<std::string> texts_;  // as told; of the other one

  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Piece> pieces_;
  bool finished_ = false;
};

}  // namespace rwkv::capi
