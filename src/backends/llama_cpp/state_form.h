// States of a model that llama.cpp runs, as numbers.
#pragma once

#include <cstdint>
#include <vector>

#include "engine/model.h"

namespace rwkv::llama_cpp {

class LlamaCppStateForm final : public StateForm {
 public:
  /// `empty`: see empty_state().
  LlamaCppStateForm(const ModelInfo& info, std::vector<std::uint8_t> empty);

  StateTensors tensors_of(const State& state) const override;
  State state_of(const StateTensors& tensors, std::int64_t position) const override;

 private:
  StateTensors shape_;  // without values
  std::uint64_t fingerprint_;
  std::vector<std::uint8_t> empty_;
};

}  // namespace rwkv::llama_cpp
