// llama.cpp's own form of a sequence's state, as formats/foreign_state.h reads it.
#pragma once

#include <llama.h>

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace rwkv::llama_cpp {

/// The description that llama.cpp gives of the empty sequence `id`: sizes without values.
std::vector<std::uint8_t> empty_state(llama_context* context, llama_seq_id id);

/// A sequence state of all zeros at position 0, for llama_state_seq_set_data. Throws Error(kInternal) when the
/// description of the empty one is not laid out as expected.
std::vector<std::uint8_t> zero_state(std::span<const std::uint8_t> empty);

/// Whether `bytes` begin like a state of one sequence at `position` in this form. llama.cpp asserts on some others.
bool is_sequence_state(std::span<const std::uint8_t> bytes, std::int64_t position);

}  // namespace rwkv::llama_cpp
