// Calls a client's function for each new token of a generation.
#pragma once

#include <string>
#include <vector>

#include "host/run.h"
#include "rwkv_mobile.h"

namespace rwkv::capi {

/// Throws Error(kBusy) on a thread that is inside a client's function: a release would wait for that to return.
void refuse_inside_callback();

/// One of them, or none.
struct Callbacks {
  rwkvmobile_on_token single = nullptr;
  rwkvmobile_on_batch_tokens batch = nullptr;

  bool any() const noexcept { return single != nullptr || batch != nullptr; }
};

/// Calls the client's function on this thread for all steps of the run, which keeps them, until it has ended or is
/// cancelled; the model's thread does not wait for it. `texts`: what the slots' texts begin with. Throws what the
/// client's function throws.
void tell_steps(host::Run& run, const Callbacks& callbacks, std::vector<std::string> texts);

}  // namespace rwkv::capi
