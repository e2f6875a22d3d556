#include "formats/weights.h"

#include <algorithm>
#include <array>
#include <limits>
#include <utility>

namespace rwkv {
namespace {

struct Traits {
  std::string_view name;
  std::size_t bytes;
};

// In the order of DataType.
constexpr std::array kTraits{
    Traits{"BOOL", 1}, Traits{"U8", 1},  Traits{"I8", 1},  Traits{"F8_E4M3", 1}, Traits{"F8_E5M2", 1},
    Traits{"I16", 2},  Traits{"U16", 2}, Traits{"F16", 2}, Traits{"BF16", 2},    Traits{"I32", 4},
    Traits{"U32", 4},  Traits{"F32", 4}, Traits{"I64", 8}, Traits{"U64", 8},     Traits{"F64", 8},
};
static_assert(kTraits.size() == static_cast<std::size_t>(DataType::kF64) + 1);

}  // namespace

std::string_view to_string(DataType type) noexcept { return kTraits[static_cast<std::size_t>(type)].name; }

std::size_t data_type_bytes(DataType type) noexcept { return kTraits[static_cast<std::size_t>(type)].bytes; }

std::string WeightTensor::describe() const {
  std::string text = (packing ? std::to_string(packing->bits) + " bit" : std::string(to_string(type))) + " [";
  for (std::size_t i = 0; i < shape.size(); ++i) text += (i > 0 ? ", " : "") + std::to_string(shape[i]);
  return text + "]";
}

std::vector<std::uint64_t> contiguous_strides(const std::vector<std::uint64_t>& shape) {
  std::vector<std::uint64_t> strides(shape.size(), 1);
  for (std::size_t i = shape.size(); i-- > 1;) strides[i - 1] = strides[i] * shape[i];
  return strides;
}

std::uint64_t count_elements(const ByteReader& reader, const std::string& name,
                             const std::vector<std::uint64_t>& shape) {
  if (shape.size() > kMaxWeightDimensions) {
    reader.fail("tensor '" + name + "' has " + std::to_string(shape.size()) + " dimensions, at most " +
                std::to_string(kMaxWeightDimensions) + " are readable");
  }
  constexpr std::uint64_t kMost = std::numeric_limits<std::uint64_t>::max() / 4;
  // The product without the zeros is bounded too, so that strides always fit.
  std::uint64_t product = 1;
  bool empty = false;
  for (const std::uint64_t size : shape) {
    if (size == 0) {
      empty = true;
    } else if (size > kMost / product) {
      reader.fail("tensor '" + name + "' has the impossible dimension " + std::to_string(size));
    } else {
      product *= size;
    }
  }
  return empty ? 0 : product;
}

void WeightFile::add(const ByteReader& reader, WeightTensor tensor) {
  if (tensor.name.empty()) reader.fail("a tensor has no name");
  if (tensor.name.size() > kMaxWeightNameBytes) {
    reader.fail("a tensor name of " + std::to_string(tensor.name.size()) + " bytes is longer than the limit of " +
                std::to_string(kMaxWeightNameBytes));
  }
  if (tensors_.size() == kMaxWeightTensors) {
    reader.fail("more than " + std::to_string(kMaxWeightTensors) + " tensors are more than any model has");
  }
  std::string key = tensor.name;
  const auto [at, is_new] = tensors_.emplace(std::move(key), std::move(tensor));
  if (!is_new) reader.fail("the tensor '" + at->first + "' occurs twice");
}

void WeightFile::set_storages(std::vector<WeightStorage> storages) {
  storages_ = std::move(storages);
  std::sort(storages_.begin(), storages_.end(),
            [](const WeightStorage& a, const WeightStorage& b) { return a.data.data() < b.data.data(); });
}

const WeightTensor* WeightFile::find(std::string_view name) const noexcept {
  const auto it = tensors_.find(name);
  return it == tensors_.end() ? nullptr : &it->second;
}

}  // namespace rwkv
