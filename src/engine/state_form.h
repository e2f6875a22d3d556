// The numbers in a backend's states.
#pragma once

#include <cstdint>

#include "engine/state.h"
#include "formats/state_tensors.h"

namespace rwkv {

/// How one model's states are laid out. With it states go to files and to other backends of the same model. It may
/// outlive the model. Safe from any thread.
class StateForm {
 public:
  virtual ~StateForm() = default;

  /// The numbers of a state, and the state that has such numbers; one after the other gives the same bits. Both throw
  /// Error(kInvalidArgument) for states and numbers that are damaged or of another model.
  virtual StateTensors tensors_of(const State& state) const = 0;
  virtual State state_of(const StateTensors& tensors, std::int64_t position) const = 0;
};

}  // namespace rwkv
