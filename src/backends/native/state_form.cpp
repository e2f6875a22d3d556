#include "backends/native/state_form.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "backends/state_blob.h"
#include "base/error.h"

namespace rwkv::native {

std::uint64_t state_mark(const ModelInfo& info) noexcept { return info.fingerprint ^ 0x6E6174697665u; /* "native" */ }

State wrap_numbers(std::span<const float> numbers, std::uint64_t mark, std::int64_t position) {
  const std::size_t header = state_header_bytes();
  StateBytes bytes(header + numbers.size_bytes());
  std::memcpy(bytes.data() + header, numbers.data(), numbers.size_bytes());
  return wrap_state(std::move(bytes), mark, position);
}

std::span<const std::byte> unwrap_numbers(const State& state, std::uint64_t mark, std::size_t count) {
  const std::span<const std::byte> bytes = unwrap_state(state, mark);
  if (bytes.size() != count * sizeof(float)) throw Error(ErrorCode::kInvalidArgument, "the state is damaged");
  return bytes;
}

NativeStateForm::NativeStateForm(const ModelInfo& info)
    : shape_{static_cast<std::uint32_t>(info.layers),
             static_cast<std::uint32_t>(info.width),
             static_cast<std::uint32_t>(info.heads),
             static_cast<std::uint32_t>(info.head_size),
             {}},
      mark_(state_mark(info)) {}

void NativeStateForm::transpose_heads(const float* from, float* to) const noexcept {
  const std::size_t size = shape_.head_size;
  for (std::size_t layer = 0; layer < shape_.layers; ++layer) {
    std::copy_n(from, 2 * shape_.width, to);
    from += 2 * shape_.width;
    to += 2 * shape_.width;
    for (std::size_t head = 0; head < shape_.heads; ++head) {
      for (std::size_t i = 0; i < size; ++i) {
        for (std::size_t j = 0; j < size; ++j) to[j * size + i] = from[i * size + j];
      }
      from += size * size;
      to += size * size;
    }
  }
}

StateTensors NativeStateForm::tensors_of(const State& state) const {
  StateTensors tensors = shape_;
  tensors.values.resize(static_cast<std::size_t>(tensors.layers * tensors.layer_values()));
  if (state.is_zero()) return tensors;
  const auto bytes = unwrap_numbers(state, mark_, tensors.values.size());
  std::vector<float> own(tensors.values.size());
  std::memcpy(own.data(), bytes.data(), bytes.size());
  transpose_heads(own.data(), tensors.values.data());
  return tensors;
}

State NativeStateForm::state_of(const StateTensors& tensors, std::int64_t position) const {
  check_numbers(tensors, shape_, position);
  if (position == 0) return {};
  std::vector<float> own(tensors.values.size());
  transpose_heads(tensors.values.data(), own.data());
  return wrap_numbers(own, mark_, position);
}

}  // namespace rwkv::native
