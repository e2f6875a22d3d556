#include "backends/llama_cpp/state_form.h"

#include <cstring>
#include <limits>
#include <string>
#include <utility>

#include "backends/llama_cpp/sequence_state.h"
#include "backends/state_blob.h"
#include "base/error.h"
#include "formats/foreign_state.h"

namespace rwkv::llama_cpp {

LlamaCppStateForm::LlamaCppStateForm(const ModelInfo& info, std::vector<std::uint8_t> empty)
    : shape_{static_cast<std::uint32_t>(info.layers),
             static_cast<std::uint32_t>(info.width),
             static_cast<std::uint32_t>(info.heads),
             static_cast<std::uint32_t>(info.head_size),
             {}},
      fingerprint_(info.fingerprint),
      empty_(std::move(empty)) {}

StateTensors LlamaCppStateForm::tensors_of(const State& state) const {
  if (!state.is_zero()) return read_foreign_state(unwrap_state(state, fingerprint_), shape_);
  StateTensors tensors = shape_;
  tensors.values.resize(static_cast<std::size_t>(tensors.layers * tensors.layer_values()));
  return tensors;
}

State LlamaCppStateForm::state_of(const StateTensors& tensors, std::int64_t position) const {
  check_numbers(tensors, shape_, position);
  if (position == 0) return {};
  const std::vector<std::uint8_t> zero = zero_state(empty_);
  StateBytes bytes(state_header_bytes() + zero.size());
  const std::span<std::byte> payload = std::span(bytes).subspan(state_header_bytes());
  std::memcpy(payload.data(), zero.data(), zero.size());
  write_foreign_state(tensors, position, payload);
  return wrap_state(std::move(bytes), fingerprint_, position);
}

}  // namespace rwkv::llama_cpp
