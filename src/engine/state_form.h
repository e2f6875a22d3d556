// How a backend keeps states, and the numbers in them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "base/token.h"
#include "engine/state.h"
#include "formats/state_tensors.h"

namespace rwkv {

/// Of one model; it may outlive that. Safe from any thread.
class StateForm {
 public:
  virtual ~StateForm() = default;

  /// The numbers of a state of this model, and the state with such numbers: the same, bit for bit. Both throw
  /// Error(kInvalidArgument) for what is another model's or damaged.
  virtual StateTensors tensors_of(const State& state) const = 0;
  virtual State state_of(const StateTensors& tensors, std::int64_t position) const = 0;

  /// A state that the existing engine's backend of the same kind saved after `tokens`. It may be the one before the
  /// last of them: see its position(). Throws Error(kUnsupported) for what has another form, Error(kBadFile) for what
  /// is damaged.
  virtual State import_state(std::span<const std::byte> bytes, std::span<const TokenId> tokens) const = 0;
};

}  // namespace rwkv
