#include "backends/llama_cpp/state_form.h"

#include <cstring>
#include <limits>
#include <string>
#include <utility>

#include "backends/llama_cpp/sequence_state.h"
#include "backends/llama_cpp/state_blob.h"
#include "base/error.h"

namespace rwkv::llama_cpp {

LlamaCppStateForm::LlamaCppStateForm(const ModelInfo& info, std::vector<std::uint8_t> empty)
    : shape_{static_cast<std::uint32_t>(info.layers),
             static_cast<std::uint32_t>(info.width),
             static_cast<std::uint32_t>(info.heads),
             static_cast<std::uint32_t>(info.head_size),
             {}},
      fingerprint_(info.fingerprint),
      state_bytes_(info.state_bytes),
      empty_(std::move(empty)) {}

StateTensors LlamaCppStateForm::tensors_of(const State& state) const {
  if (!state.is_zero()) return read_sequence_state(unwrap_state(state, fingerprint_), shape_);
  StateTensors tensors = shape_;
  tensors.values.resize(static_cast<std::size_t>(tensors.layers * tensors.layer_values()));
  return tensors;
}

State LlamaCppStateForm::state_of(const StateTensors& tensors, std::int64_t position) const {
  if (!tensors.has_shape_of(shape_) || tensors.values.size() != tensors.layers * tensors.layer_values()) {
    throw Error(ErrorCode::kInvalidArgument, "the state has " + std::to_string(tensors.layers) + " layers of width " +
                                                 std::to_string(tensors.width) + ", not those of the model");
  }
  if (position < 0 || position > std::numeric_limits<llama_pos>::max()) {
    throw Error(ErrorCode::kInvalidArgument, "a state cannot stand after " + std::to_string(position) + " tokens");
  }
  if (position == 0) return {};
  const std::vector<std::uint8_t> zero = zero_state(empty_);
  StateBytes bytes(state_header_bytes() + zero.size());
  const std::span<std::byte> payload = std::span(bytes).subspan(state_header_bytes());
  std::memcpy(payload.data(), zero.data(), zero.size());
  write_sequence_state(tensors, position, payload);
  return wrap_state(std::move(bytes), fingerprint_, position);
}

State LlamaCppStateForm::import_state(std::span<const std::byte> bytes, std::span<const TokenId> tokens) const {
  if (bytes.size() == state_bytes_) {
    throw Error(ErrorCode::kUnsupported, "the state was saved by web-rwkv; save the conversation again");
  }
  const ForeignState foreign = parse_foreign_state(bytes, tokens);
  return state_of(read_sequence_state(foreign.bytes, shape_), static_cast<std::int64_t>(foreign.tokens));
}

}  // namespace rwkv::llama_cpp
