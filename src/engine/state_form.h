// The numbers in a backend's states.
#pragma once

#include <cstdint>

#include "engine/state.h"
#include "formats/state_tensors.h"

namespace rwkv {

/// How one model's states are laid out; by it they go to files and to other backends of the same model. It may outlive
/// the model. Safe from any thread.
class StateForm {
 public:
  virtual ~StateForm() = default;

  /// The numbers of a state of this model, and the state with such numbers: the same, bit for bit. Both throw
  /// Error(kInvalidArgument) for what is another model's or damaged.
  virtual StateTensors tensors_of(const State& state) const = 0;
  virtual State state_of(const StateTensors& tensors, std::int64_t position) const = 0;
};

}  // namespace rwkv
