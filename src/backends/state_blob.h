// The bytes of a saved sequence: a header of ours, then the backend's own form.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "engine/state.h"
#include "formats/rwkv_passport.h"
#include "formats/state_tensors.h"

namespace rwkv {

/// Tells models apart whose states cannot be exchanged: geometry, names and samples of the weights.
std::uint64_t model_fingerprint(const GgufFile& file, const RwkvPassport& passport);

/// Wraps `payload` (what the backend saved after `position` tokens) for the model with this fingerprint.
State wrap_state(StateBytes payload, std::uint64_t fingerprint, std::int64_t position);

/// The number of bytes that wrap_state expects free at the start of `payload`.
std::size_t state_header_bytes() noexcept;

/// The backend's part of a state. Throws Error(kInvalidArgument) when the state is of another model or has been
/// damaged.
std::span<const std::byte> unwrap_state(const State& state, std::uint64_t fingerprint);

/// Throws Error(kInvalidArgument) unless these are numbers of a model of this shape, after a number of tokens that a
/// sequence can have.
void check_numbers(const StateTensors& numbers, const StateTensors& shape, std::int64_t position);

}  // namespace rwkv
