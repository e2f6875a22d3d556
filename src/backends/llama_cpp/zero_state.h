// The state before the first token, in llama.cpp's own form.
#pragma once

#include <llama.h>

#include <cstdint>
#include <span>
#include <vector>

namespace rwkv::llama_cpp {

/// A sequence state of all zeros at position 0, for llama_state_seq_set_data. Built from the description that llama.cpp
/// gives of the empty sequence `id`. Throws Error(kInternal) when that is not laid out as expected.
std::vector<std::uint8_t> zero_state(llama_context* context, llama_seq_id id);

/// Whether `bytes` begin like a state of one sequence at `position` in this form. llama.cpp asserts on some others.
bool is_sequence_state(std::span<const std::uint8_t> bytes, std::int64_t position);

}  // namespace rwkv::llama_cpp
