#include <vector>

#include "backends/llama_cpp/llama_cpp_model.h"
#include "backends/llama_cpp/state_blob.h"

namespace rwkv::llama_cpp {

LlamaCppSequence::~LlamaCppSequence() {
  reset();
  model_.slots_[static_cast<std::size_t>(id_)] = false;
}

void LlamaCppSequence::reset() {
  llama_memory_seq_rm(llama_get_memory(model_.context_.get()), id_, -1, -1);
  position_ = 0;
}

State LlamaCppSequence::save() const {
  if (position_ == 0) return {};
  llama_context* context = model_.context_.get();
  const std::size_t header = state_header_bytes();
  std::vector<std::byte> bytes(header + llama_state_seq_get_size(context, id_));
  const std::size_t written = llama_state_seq_get_data(
      context, reinterpret_cast<std::uint8_t*>(bytes.data()) + header, bytes.size() - header, id_);
  if (written == 0) throw Error(ErrorCode::kEvaluation, "llama.cpp could not copy out a state");
  bytes.resize(header + written);
  return wrap_state(std::move(bytes), model_.fingerprint_, position_);
}

void LlamaCppSequence::restore(const State& state) {
  reset();
  if (state.is_zero()) return;
  const std::span<const std::byte> bytes = unwrap_state(state, model_.fingerprint_);
  const std::size_t read = llama_state_seq_set_data(
      model_.context_.get(), reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size(), id_);
  if (read == 0) {
    reset();
    throw Error(ErrorCode::kInvalidArgument, "llama.cpp refused the state");
  }
  position_ = state.position();
}

}  // namespace rwkv::llama_cpp
