// How large llama.cpp's buffers for a model are.
#pragma once

#include <cstdint>

#include "engine/backend.h"
#include "formats/rwkv_passport.h"

namespace rwkv::llama_cpp {

/// Tokens a llama.cpp call, whatever the model.
inline constexpr int kMostBatchTokens = 512;

/// The same for this model.
int tokens_per_batch(const RwkvPassport& passport);

/// One sequence's state: per layer two shifted inputs and a head_size x head_size matrix a head, all f32.
std::uint64_t state_bytes(const RwkvPassport& passport);

/// Tokens of one evaluation that can have all logits: as many as fit into some memory, but a stable chunk at least.
int logit_rows(const RwkvPassport& passport);

/// tests/backends/llama_cpp_memory_test.cpp compares it with what a process grows by.
MemoryNeed memory_need(const GgufFile& file, const RwkvPassport& passport, const LoadOptions& options, int threads);

}  // namespace rwkv::llama_cpp
