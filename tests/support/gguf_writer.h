// Writes GGUF files for tests, byte by byte from the format's description and without a line of the reader. Everything
// is public, so that a test can spoil it.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace rwkv::test {

/// The little-endian bytes of a number.
template <class T>
std::string raw(T value) {
  std::string bytes(sizeof value, '\0');
  std::memcpy(bytes.data(), &value, sizeof value);
  return bytes;
}

inline std::string raw_string(const std::string& text) { return raw<std::uint64_t>(text.size()) + text; }

struct GgufWriter {
  // Value types, by their ids in the file.
  enum Type : std::uint32_t { kU8, kI8, kU16, kI16, kU32, kI32, kF32, kBool, kString, kArray, kU64, kI64, kF64 };

  struct Key {
    std::string name;
    std::uint32_t type;
    std::string value;  // as it stands in the file
  };
  struct Tensor {
    std::string name;
    std::vector<std::uint64_t> dimensions;  // the contiguous one first
    std::uint32_t type;
    std::string data;
    std::optional<std::uint64_t> offset;  // instead of the right one
  };

  std::string magic = "GGUF";
  std::uint32_t version = 3;
  std::uint64_t alignment = 32;  // of the data; say so in "general.alignment" when it is another
  std::vector<Key> keys;
  std::vector<Tensor> tensors;
  std::optional<std::uint64_t> claimed_keys;     // instead of the right count
  std::optional<std::uint64_t> claimed_tensors;  // instead of the right count

  template <class T>
  GgufWriter& number(const std::string& name, Type type, T value) {
    return value_of(name, type, raw(value));
  }
  GgufWriter& u32(const std::string& name, std::uint32_t value) { return number(name, kU32, value); }
  GgufWriter& f32(const std::string& name, float value) { return number(name, kF32, value); }
  GgufWriter& text(const std::string& name, const std::string& value) {
    return value_of(name, kString, raw_string(value));
  }
  template <class T>
  GgufWriter& list(const std::string& name, Type type, const std::vector<T>& values) {
    std::string bytes = raw<std::uint32_t>(type) + raw<std::uint64_t>(values.size());
    for (const T& value : values) bytes += raw(value);
    return value_of(name, kArray, bytes);
  }
  GgufWriter& texts(const std::string& name, const std::vector<std::string>& values) {
    std::string bytes = raw<std::uint32_t>(kString) + raw<std::uint64_t>(values.size());
    for (const std::string& value : values) bytes += raw_string(value);
    return value_of(name, kArray, bytes);
  }
  /// Sets a key, in its old place when it is there.
  GgufWriter& value_of(const std::string& name, std::uint32_t type, const std::string& bytes) {
    for (Key& key : keys) {
      if (key.name == name) {
        key = {name, type, bytes};
        return *this;
      }
    }
    keys.push_back({name, type, bytes});
    return *this;
  }
  GgufWriter& remove(const std::string& name) {
    std::erase_if(keys, [&](const Key& key) { return key.name == name; });
    return *this;
  }
  GgufWriter& tensor(const std::string& name, std::vector<std::uint64_t> dimensions, std::uint32_t type,
                     std::string data) {
    tensors.push_back({name, std::move(dimensions), type, std::move(data), std::nullopt});
    return *this;
  }
  Tensor& find(const std::string& name) {
    return *std::find_if(tensors.begin(), tensors.end(), [&](const Tensor& t) { return t.name == name; });
  }

  std::string header() const {
    std::string out =
        magic + raw(version) + raw(claimed_tensors.value_or(tensors.size())) + raw(claimed_keys.value_or(keys.size()));
    for (const Key& key : keys) out += raw_string(key.name) + raw(key.type) + key.value;
    std::uint64_t offset = 0;
    for (const Tensor& tensor : tensors) {
      out += raw_string(tensor.name) + raw(static_cast<std::uint32_t>(tensor.dimensions.size()));
      for (const std::uint64_t dimension : tensor.dimensions) out += raw(dimension);
      out += raw(tensor.type) + raw(tensor.offset.value_or(offset));
      offset += padded(tensor.data.size());
    }
    return out;
  }

  std::string bytes() const {
    std::string out = header();
    if (tensors.empty()) return out;
    out.resize(padded(out.size()), '\0');
    for (const Tensor& tensor : tensors) {
      out += tensor.data;
      out.resize(out.size() - tensor.data.size() + padded(tensor.data.size()), '\0');
    }
    return out;
  }

 private:
  std::size_t padded(std::size_t size) const {
    return static_cast<std::size_t>((size + alignment - 1) / alignment * alignment);
  }
};

}  // namespace rwkv::test
