// llama.cpp's own form of a sequence's state, and the numbers in it.
#pragma once

#include <llama.h>

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "base/token.h"
#include "formats/state_tensors.h"

namespace rwkv::llama_cpp {

/// The description that llama.cpp gives of the empty sequence `id`: sizes without values.
std::vector<std::uint8_t> empty_state(llama_context* context, llama_seq_id id);

/// A sequence state of all zeros at position 0, for llama_state_seq_set_data. Throws Error(kInternal) when the
/// description of the empty one is not laid out as expected.
std::vector<std::uint8_t> zero_state(std::span<const std::uint8_t> empty);

/// Whether `bytes` begin like a state of one sequence at `position` in this form. llama.cpp asserts on some others.
bool is_sequence_state(std::span<const std::uint8_t> bytes, std::int64_t position);

/// The numbers of a state of one sequence at any position; `shape` says how many there must be. Throws Error(kBadFile).
StateTensors read_sequence_state(std::span<const std::byte> bytes, const StateTensors& shape);

/// `zero` with these numbers, which have the shape, at this position.
void write_sequence_state(const StateTensors& tensors, std::int64_t position, std::span<std::byte> zero);

/// What the existing engine's llama.cpp backend saves after some tokens.
struct ForeignState {
  std::span<const std::byte> bytes;  // llama.cpp's form
  std::size_t tokens = 0;            // how many of the tokens it stands for: all, or all but the last
};

/// Throws Error(kBadFile).
ForeignState parse_foreign_state(std::span<const std::byte> bytes, std::span<const TokenId> tokens);

}  // namespace rwkv::llama_cpp
