// States that are saved as their numbers (RWKV_BACKEND_STATE_NUMBERS).
#pragma once

#include <cstdint>

#include "engine/model.h"

namespace rwkv::plugin {

class NumbersForm final : public StateForm {
 public:
  /// `mark`: what the model's states begin with, see wrap_state().
  NumbersForm(const ModelInfo& info, std::uint64_t mark);

  StateTensors tensors_of(const State& state) const override;
  State state_of(const StateTensors& tensors, std::int64_t position) const override;

 private:
  StateTensors shape_;  // without values
  std::uint64_t mark_;
};

}  // namespace rwkv::plugin
