// States as ggml's engine keeps them, and as the existing engine packs them: read without trusting a byte.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "base/token.h"
#include "formats/state_tensors.h"

namespace rwkv {

/// The numbers of a state of one sequence at any position; `shape` says how many there must be. Throws Error(kBadFile).
StateTensors read_foreign_state(std::span<const std::byte> bytes, const StateTensors& shape);

/// Puts these numbers and this position into such a state of zeros, which has their shape.
void write_foreign_state(const StateTensors& tensors, std::int64_t position, std::span<std::byte> zero);

/// What the existing engine saves after some tokens with this backend.
struct ForeignState {
  std::span<const std::byte> bytes;  // for read_foreign_state()
  std::size_t tokens = 0;            // how many of the tokens it stands for: all, or all but the last
};

/// Throws Error(kBadFile).
ForeignState parse_foreign_state(std::span<const std::byte> bytes, std::span<const TokenId> tokens);

}  // namespace rwkv
