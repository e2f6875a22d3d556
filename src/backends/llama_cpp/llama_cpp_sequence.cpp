#include <vector>

#include "backends/llama_cpp/llama_cpp_model.h"
#include "backends/llama_cpp/sequence_state.h"
#include "backends/state_blob.h"

namespace rwkv::llama_cpp {

LlamaCppSequence::LlamaCppSequence(LlamaCppModel& model, llama_seq_id id) : model_(model), id_(id) {
  model_.set_to_zero(id_);
  model_.slots_[static_cast<std::size_t>(id_)] = true;
}

LlamaCppSequence::~LlamaCppSequence() { model_.slots_[static_cast<std::size_t>(id_)] = false; }

void LlamaCppSequence::reset() {
  position_ = 0;
  model_.set_to_zero(id_);
}

State LlamaCppSequence::save() const {
  if (position_ == 0) return {};
  llama_context* context = model_.context_.get();
  const std::size_t header = state_header_bytes();
  StateBytes bytes(header + llama_state_seq_get_size(context, id_));
  const std::size_t written = llama_state_seq_get_data(context, reinterpret_cast<std::uint8_t*>(bytes.data()) + header,
                                                       bytes.size() - header, id_);
  if (written == 0) throw Error(ErrorCode::kEvaluation, "llama.cpp could not copy out a state");
  bytes.resize(header + written);
  return wrap_state(std::move(bytes), model_.info_.fingerprint, position_);
}

void LlamaCppSequence::restore(const State& state) {
  reset();
  if (state.is_zero()) return;
  const std::span<const std::byte> payload = unwrap_state(state, model_.info_.fingerprint);
  const std::span<const std::uint8_t> bytes(reinterpret_cast<const std::uint8_t*>(payload.data()), payload.size());
  if (bytes.size() != model_.zero_.size() || !is_sequence_state(bytes, state.position())) {
    throw Error(ErrorCode::kInvalidArgument, "the state is damaged");
  }
  if (llama_state_seq_set_data(model_.context_.get(), bytes.data(), bytes.size(), id_) != bytes.size()) {
    reset();
    throw Error(ErrorCode::kInvalidArgument, "llama.cpp refused the state");
  }
  position_ = state.position();
}

}  // namespace rwkv::llama_cpp
