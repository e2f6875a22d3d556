// States of our own engine, as values and as the numbers that all backends share.
#pragma once

#include <cstdint>
#include <span>

#include "engine/model.h"

namespace rwkv::native {

/// Tells states of this form apart from those of other backends and models.
std::uint64_t state_mark(const ModelInfo& info) noexcept;

/// The state of a sequence, laid out as StateLayout says.
State wrap_numbers(std::span<const float> numbers, std::uint64_t mark, std::int64_t position);

/// Its numbers as bytes, of so many floats. Throws Error(kInvalidArgument) for a state of somebody else.
std::span<const std::byte> unwrap_numbers(const State& state, std::uint64_t mark, std::size_t count);

/// The engine keeps the matrices of heads with keys as rows, StateTensors with values as rows.
class NativeStateForm final : public StateForm {
 public:
  explicit NativeStateForm(const ModelInfo& info);

  StateTensors tensors_of(const State& state) const override;
  State state_of(const StateTensors& tensors, std::int64_t position) const override;

 private:
  void transpose_heads(const float* from, float* to) const noexcept;

  StateTensors shape_;  // without values
  std::uint64_t mark_;
};

}  // namespace rwkv::native
