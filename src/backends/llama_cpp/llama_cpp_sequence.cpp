#include <exception>
#include <utility>

#include "backends/llama_cpp/llama_cpp_model.h"
#include "backends/llama_cpp/sequence_state.h"
#include "backends/state_blob.h"
#include "base/error_of.h"

namespace rwkv::llama_cpp {

LlamaCppSequence::LlamaCppSequence(LlamaCppModel& model, llama_seq_id id) : model_(model), id_(id) {
  model_.set_to_zero(id_);
  model_.slots_[static_cast<std::size_t>(id_)] = this;
}

LlamaCppSequence::~LlamaCppSequence() { model_.slots_[static_cast<std::size_t>(id_)] = nullptr; }

void LlamaCppSequence::reset() {
  position_ = 0;
  model_.set_to_zero(id_);
  lost_ = false;
}

State LlamaCppSequence::save() const {
  check_state();
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
  if (state.is_zero()) return reset();
  const auto error = error_of([&] {
    const std::span<const std::byte> payload = unwrap_state(state, model_.info_.fingerprint);
    const std::span<const std::uint8_t> bytes(reinterpret_cast<const std::uint8_t*>(payload.data()), payload.size());
    if (bytes.size() != model_.zero_.size() || !is_sequence_state(bytes, state.position())) {
      throw Error(ErrorCode::kInvalidArgument, "the state is damaged");
    }
    if (llama_state_seq_set_data(model_.context_.get(), bytes.data(), bytes.size(), id_) != bytes.size()) {
      throw Error(ErrorCode::kInvalidArgument, "llama.cpp refused the state");
    }
  });
  if (error) {
    reset();
    throw *error;
  }
  position_ = state.position();
  lost_ = false;
}

void LlamaCppSequence::move_to(llama_seq_id id) {
  LlamaCppSequence*& from = model_.slots_[static_cast<std::size_t>(id_)];
  LlamaCppSequence*& to = model_.slots_[static_cast<std::size_t>(id)];
  LlamaCppSequence* const other = to;
  const State own = save();
  const State others = other != nullptr ? other->save() : State();
  std::swap(from, to);
  if (other != nullptr) other->id_ = id_;
  id_ = id;
  try {
    if (other != nullptr) other->restore(others);
    restore(own);
  } catch (const std::exception&) {  // llama.cpp needs some memory to take a state
    lost_ = true;
    if (other != nullptr) other->lost_ = true;
    check_state();
  }
}

void LlamaCppSequence::check_state() const {
  if (lost_) throw Error(ErrorCode::kOutOfMemory, "a sequence has lost its state for want of memory");
}

// llama.cpp evaluates sequences together only as far as their ids follow each other (llama_batch_allocr::split_equal),
// and reads all weights anew after each gap. So the last ones move into the gaps, which costs two copies of a state.
void LlamaCppModel::close_ranks(std::span<const EvalItem> items) {
  const auto at = [&](std::size_t i) -> LlamaCppSequence& {
    return static_cast<LlamaCppSequence&>(*items[order_[i]].sequence);
  };
  std::size_t next = 0;
  std::size_t end = order_.size();
  const llama_seq_id first = order_.empty() ? 0 : at(0).id();
  for (llama_seq_id id = first; next < end; ++id) {
    if (at(next).id() == id) {
      ++next;
    } else {
      at(--end).move_to(id);
    }
  }
}

}  // namespace rwkv::llama_cpp
