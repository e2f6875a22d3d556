#include "backends/plugin/numbers_form.h"

#include <cstring>
#include <utility>

#include "backends/state_blob.h"
#include "base/error.h"

namespace rwkv::plugin {

NumbersForm::NumbersForm(const ModelInfo& info, std::uint64_t mark)
    : shape_{static_cast<std::uint32_t>(info.layers),
             static_cast<std::uint32_t>(info.width),
             static_cast<std::uint32_t>(info.heads),
             static_cast<std::uint32_t>(info.head_size),
             {}},
      mark_(mark) {}

StateTensors NumbersForm::tensors_of(const State& state) const {
  StateTensors tensors = shape_;
  tensors.values.resize(static_cast<std::size_t>(tensors.layers * tensors.layer_values()));
  if (state.is_zero()) return tensors;
  const std::span<const std::byte> bytes = unwrap_state(state, mark_);
  if (bytes.size() != tensors.values.size() * sizeof(float)) {
    throw Error(ErrorCode::kInvalidArgument, "the state is damaged");
  }
  std::memcpy(tensors.values.data(), bytes.data(), bytes.size());
  return tensors;
}

State NumbersForm::state_of(const StateTensors& tensors, std::int64_t position) const {
  check_numbers(tensors, shape_, position);
  if (position == 0) return {};
  const std::size_t header = state_header_bytes();
  StateBytes bytes(header + tensors.values.size() * sizeof(float));
  std::memcpy(bytes.data() + header, tensors.values.data(), bytes.size() - header);
  return wrap_state(std::move(bytes), mark_, position);
}

}  // namespace rwkv::plugin
