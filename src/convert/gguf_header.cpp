#include "convert/gguf_header.h"

#include <cstring>
#include <type_traits>

namespace rwkv::convert {
namespace {

constexpr std::uint64_t kAlignment = 32;  // what readers assume when the file does not say

template <class T>
void append(std::string& out, T value) {
  static_assert(std::is_trivially_copyable_v<T>);
  const std::size_t at = out.size();
  out.resize(at + sizeof value);
  std::memcpy(out.data() + at, &value, sizeof value);
}

void append_text(std::string& out, std::string_view text) {
  append(out, std::uint64_t{text.size()});
  out += text;
}

std::uint64_t padded(std::uint64_t size) { return (size + kAlignment - 1) / kAlignment * kAlignment; }

}  // namespace

void GgufHeader::key(std::string_view name, GgufValueType type) {
  append_text(keys_, name);
  append(keys_, static_cast<std::uint32_t>(type));
  ++count_;
}

void GgufHeader::text(std::string_view name, std::string_view value) {
  key(name, GgufValueType::kString);
  append_text(keys_, value);
}

void GgufHeader::number(std::string_view name, std::uint32_t value) {
  key(name, GgufValueType::kUint32);
  append(keys_, value);
}

void GgufHeader::real(std::string_view name, float value) {
  key(name, GgufValueType::kFloat32);
  append(keys_, value);
}

void GgufHeader::flag(std::string_view name, bool value) {
  key(name, GgufValueType::kBool);
  append(keys_, static_cast<std::uint8_t>(value));
}

void GgufHeader::texts(std::string_view name, std::span<const std::string> values) {
  key(name, GgufValueType::kArray);
  append(keys_, static_cast<std::uint32_t>(GgufValueType::kString));
  append(keys_, std::uint64_t{values.size()});
  for (const std::string& value : values) append_text(keys_, value);
}

void GgufHeader::numbers(std::string_view name, std::span<const std::int32_t> values) {
  key(name, GgufValueType::kArray);
  append(keys_, static_cast<std::uint32_t>(GgufValueType::kInt32));
  append(keys_, std::uint64_t{values.size()});
  for (const std::int32_t value : values) append(keys_, value);
}

void GgufHeader::reals(std::string_view name, std::span<const float> values) {
  key(name, GgufValueType::kArray);
  append(keys_, static_cast<std::uint32_t>(GgufValueType::kFloat32));
  append(keys_, std::uint64_t{values.size()});
  for (const float value : values) append(keys_, value);
}

std::vector<std::byte> GgufHeader::finish(std::span<PlannedTensor> tensors) const {
  std::string out = "GGUF";
  append(out, std::uint32_t{3});
  append(out, std::uint64_t{tensors.size()});
  append(out, count_);
  out += keys_;
  std::uint64_t offset = 0;  // from the beginning of the data
  for (PlannedTensor& tensor : tensors) {
    append_text(out, tensor.name);
    append(out, static_cast<std::uint32_t>(tensor.dimensions.size()));
    for (const std::uint64_t dimension : tensor.dimensions) append(out, dimension);
    append(out, static_cast<std::uint32_t>(tensor.type));
    append(out, offset);
    tensor.offset = offset;
    offset = padded(offset + tensor.bytes());
  }
  out.resize(static_cast<std::size_t>(padded(out.size())), '\0');
  for (PlannedTensor& tensor : tensors) tensor.offset += out.size();
  const auto bytes = std::as_bytes(std::span(out));
  return {bytes.begin(), bytes.end()};
}

}  // namespace rwkv::convert
