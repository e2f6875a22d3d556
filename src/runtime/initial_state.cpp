#include "runtime/initial_state.h"

#include <algorithm>
#include <cmath>

#include "base/crc32.h"
#include "base/mapped_file.h"
#include "formats/file_kind.h"
#include "formats/floats.h"
#include "formats/pth.h"
#include "formats/rmpack.h"

namespace rwkv {
namespace {

[[noreturn]] void refuse(const std::string& path, const std::string& reason) {
  throw Error(ErrorCode::kBadFile, "'" + path + "' is no initial state of this model: " + reason, path);
}

// [head][row][column], whatever the strides.
void copy_matrices(const WeightTensor& tensor, std::span<float> out) {
  if (tensor.strides == contiguous_strides(tensor.shape)) return decode_floats(tensor.type, tensor.data.data(), out);
  const std::size_t size = data_type_bytes(tensor.type);
  std::size_t i = 0;
  for (std::uint64_t head = 0; head < tensor.shape[0]; ++head) {
    for (std::uint64_t row = 0; row < tensor.shape[1]; ++row) {
      for (std::uint64_t column = 0; column < tensor.shape[2]; ++column, ++i) {
        const std::uint64_t at = head * tensor.strides[0] + row * tensor.strides[1] + column * tensor.strides[2];
        decode_floats(tensor.type, tensor.data.data() + at * size, out.subspan(i, 1));
      }
    }
  }
}

void read_pth(std::span<const std::byte> bytes, const std::string& path, StateTensors& state) {
  const WeightFile file = parse_pth(bytes, path);
  for (const WeightStorage& storage : file.storages()) {
    if (crc32(storage.data) == storage.crc) continue;
    refuse(path, "'" + std::string(storage.name) + "' does not have its checksum: the file is damaged");
  }
  const auto name_of = [](std::uint32_t layer) { return "blocks." + std::to_string(layer) + ".att.time_state"; };
  if (file.find(name_of(state.layers))) refuse(path, "it has more than " + std::to_string(state.layers) + " layers");
  const std::vector<std::uint64_t> shape{state.heads, state.head_size, state.head_size};
  for (std::uint32_t layer = 0; layer < state.layers; ++layer) {
    const WeightTensor* tensor = file.find(name_of(layer));
    if (tensor == nullptr) refuse(path, "the tensor '" + name_of(layer) + "' is missing");
    if (!is_float(tensor->type) || tensor->shape != shape) {
      refuse(path, "'" + name_of(layer) + "' is " + tensor->describe() + ", not [" + std::to_string(state.heads) +
                       ", " + std::to_string(state.head_size) + ", " + std::to_string(state.head_size) +
                       "] of F32, F16, BF16 or F64");
    }
    const std::uint64_t at = layer * state.layer_values() + 2 * std::uint64_t{state.width};
    copy_matrices(
        *tensor,
        std::span(state.values).subspan(static_cast<std::size_t>(at), static_cast<std::size_t>(state.matrix_values())));
  }
}

void read_rmpack(const RmpackFile& file, const std::string& path, StateTensors& state) {
  if (const auto width = file.number("hidden_size", -1); width != static_cast<std::int64_t>(state.width)) {
    refuse(path, "its hidden_size is " + std::to_string(width) + ", the model's " + std::to_string(state.width));
  }
  if (file.blobs.size() != state.layers) {
    refuse(path, "it has " + std::to_string(file.blobs.size()) + " layers, the model " + std::to_string(state.layers));
  }
  for (std::uint32_t layer = 0; layer < state.layers; ++layer) {
    const std::span<const std::byte> data = file.blobs[layer].data;
    if (data.size() != 2 * state.matrix_values()) {
      refuse(path, "layer " + std::to_string(layer) + " has " + std::to_string(data.size()) + " bytes, not " +
                       std::to_string(2 * state.matrix_values()));
    }
    const std::uint64_t at = layer * state.layer_values() + 2 * std::uint64_t{state.width};
    decode_floats(
        DataType::kF16, data.data(),
        std::span(state.values).subspan(static_cast<std::size_t>(at), static_cast<std::size_t>(state.matrix_values())));
  }
}

}  // namespace

InitialState read_initial_state(const std::string& path, const ModelInfo& model) {
  InitialState initial;
  StateTensors& state = initial.tensors;
  state = {static_cast<std::uint32_t>(model.layers),
           static_cast<std::uint32_t>(model.width),
           static_cast<std::uint32_t>(model.heads),
           static_cast<std::uint32_t>(model.head_size),
           {}};
  if (state.matrix_values() == 0) {
    throw Error(ErrorCode::kUnsupported, "models of " + model.backend + " have no initial states");
  }
  state.values.resize(static_cast<std::size_t>(state.layers * state.layer_values()));
  const MappedFile file(path);
  if (const std::string mistake = mistaken_file(WantedFile::kInitialState, file.bytes()); !mistake.empty()) {
    throw Error(ErrorCode::kBadFile, "'" + path + "' " + mistake, path);
  }
  if (looks_like_pth(file.bytes())) {
    read_pth(file.bytes(), path, state);
  } else {
    const RmpackFile pack = parse_rmpack(file.bytes(), path);
    initial.flower = pack.flag("flower_template");
    read_rmpack(pack, path, state);
  }
  if (!std::all_of(state.values.begin(), state.values.end(), [](float value) { return std::isfinite(value); })) {
    refuse(path, "it has values that are not finite");
  }
  return initial;
}

std::string initial_state_tag(const std::string& path) { return "<state src=\"" + path + "\">"; }

}  // namespace rwkv
