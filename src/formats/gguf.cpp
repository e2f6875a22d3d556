#include "formats/gguf.h"

#include <algorithm>
#include <array>
#include <bit>
#include <limits>

#include "formats/byte_reader.h"
#include "formats/file_kind.h"

namespace rwkv {
namespace {

constexpr std::uint64_t kMaxKeys = 4096;  // models have about 40; engines compare each with all before it
constexpr std::uint64_t kMaxTensors = 65536;
constexpr std::uint64_t kMaxKeyBytes = 65535;
constexpr std::uint64_t kMaxStringBytes = 64u << 20;
constexpr std::uint64_t kMaxTensorNameBytes = 63;  // ggml keeps names in 64 bytes
constexpr std::uint32_t kMaxDimensions = 4;
constexpr std::uint32_t kMaxAlignment = 1u << 20;
constexpr std::uint32_t kDefaultAlignment = 32;
constexpr std::string_view kAlignmentKey = "general.alignment";
constexpr const char* kCut = ": it is probably cut off, download it again";

std::size_t value_bytes(GgufValueType type) {
  switch (type) {
    case GgufValueType::kUint8:
    case GgufValueType::kInt8:
    case GgufValueType::kBool: return 1;
    case GgufValueType::kUint16:
    case GgufValueType::kInt16: return 2;
    case GgufValueType::kUint32:
    case GgufValueType::kInt32:
    case GgufValueType::kFloat32: return 4;
    case GgufValueType::kUint64:
    case GgufValueType::kInt64:
    case GgufValueType::kFloat64: return 8;
    case GgufValueType::kString:
    case GgufValueType::kArray: return 0;
  }
  return 0;
}

GgufValueType read_type(ByteReader& reader, const std::string& key) {
  const auto id = reader.read<std::uint32_t>("a value type");
  if (id > static_cast<std::uint32_t>(GgufValueType::kFloat64)) {
    reader.fail("'" + key + "' has the unknown value type " + std::to_string(id));
  }
  return static_cast<GgufValueType>(id);
}

std::string_view read_string(ByteReader& reader, std::uint64_t limit, std::string_view what) {
  const auto length = reader.read<std::uint64_t>(what);
  if (length > limit) {
    reader.fail(std::string(what) + " of " + std::to_string(length) + " bytes is longer than the limit of " +
                std::to_string(limit));
  }
  return reader.take_text(length, what);
}

bool read_bool(ByteReader& reader, const std::string& key) {
  const auto value = reader.read<std::uint8_t>("a truth value");
  if (value > 1) reader.fail("'" + key + "' is neither true nor false but " + std::to_string(value));
  return value == 1;
}

GgufArray read_array(ByteReader& reader, const std::string& key) {
  const GgufValueType type = read_type(reader, key);
  const auto count = reader.read<std::uint64_t>("the length of a list");
  if (type == GgufValueType::kArray) reader.fail("'" + key + "' is a list of lists, which no model uses");
  if (type != GgufValueType::kString) {
    if (count > reader.remaining() / value_bytes(type)) {
      reader.fail("'" + key + "' claims " + std::to_string(count) + " elements, more than the file can hold" + kCut);
    }
    return {type, count, reader.take(count * value_bytes(type), "a list")};
  }
  if (count > reader.remaining() / sizeof(std::uint64_t)) {
    reader.fail("'" + key + "' claims " + std::to_string(count) + " strings, more than the file can hold" + kCut);
  }
  ByteReader ahead = reader;
  for (std::uint64_t i = 0; i < count; ++i) read_string(ahead, kMaxStringBytes, "a string in a list");
  return {type, count, reader.take(ahead.offset() - reader.offset(), "a list of strings")};
}

GgufValue read_value(ByteReader& reader, const std::string& key) {
  const GgufValueType type = read_type(reader, key);
  const auto unsigned_value = [&](auto value) { return GgufValue{type, static_cast<std::uint64_t>(value)}; };
  const auto signed_value = [&](auto value) { return GgufValue{type, static_cast<std::int64_t>(value)}; };
  switch (type) {
    case GgufValueType::kUint8: return unsigned_value(reader.read<std::uint8_t>("a number"));
    case GgufValueType::kUint16: return unsigned_value(reader.read<std::uint16_t>("a number"));
    case GgufValueType::kUint32: return unsigned_value(reader.read<std::uint32_t>("a number"));
    case GgufValueType::kUint64: return unsigned_value(reader.read<std::uint64_t>("a number"));
    case GgufValueType::kInt8: return signed_value(reader.read<std::int8_t>("a number"));
    case GgufValueType::kInt16: return signed_value(reader.read<std::int16_t>("a number"));
    case GgufValueType::kInt32: return signed_value(reader.read<std::int32_t>("a number"));
    case GgufValueType::kInt64: return signed_value(reader.read<std::int64_t>("a number"));
    case GgufValueType::kFloat32: return {type, static_cast<double>(reader.read<float>("a number"))};
    case GgufValueType::kFloat64: return {type, reader.read<double>("a number")};
    case GgufValueType::kBool: return {type, read_bool(reader, key)};
    case GgufValueType::kString: return {type, read_string(reader, kMaxStringBytes, "a string")};
    case GgufValueType::kArray: return {type, read_array(reader, key)};
  }
  reader.fail("unknown value type");
}

// a * b, or nothing where it does not fit.
std::optional<std::uint64_t> product(std::uint64_t a, std::uint64_t b) {
  if (a != 0 && b > std::numeric_limits<std::int64_t>::max() / a) return std::nullopt;
  return a * b;
}

struct TensorPlace {
  std::uint64_t offset;  // from the start of the data section
  std::uint64_t bytes;
};

GgufTensor read_tensor(ByteReader& reader, TensorPlace& place) {
  GgufTensor tensor{};
  tensor.name = read_string(reader, kMaxTensorNameBytes, "a tensor name");
  const std::string name(tensor.name);
  const auto rank = reader.read<std::uint32_t>("a tensor's number of dimensions");
  if (rank < 1 || rank > kMaxDimensions) {
    reader.fail("tensor '" + name + "' has " + std::to_string(rank) + " dimensions, 1 to 4 are possible");
  }
  tensor.elements = 1;
  for (std::uint32_t i = 0; i < rank; ++i) {
    tensor.dimensions.push_back(reader.read<std::uint64_t>("a tensor dimension"));
    const auto elements = product(tensor.elements, tensor.dimensions.back());
    if (tensor.dimensions.back() == 0 || !elements) {
      reader.fail("tensor '" + name + "' has the impossible dimension " + std::to_string(tensor.dimensions.back()));
    }
    tensor.elements = *elements;
  }
  const auto type = reader.read<std::uint32_t>("a tensor type");
  tensor.traits = ggml_type_traits(type);
  if (tensor.traits == nullptr) {
    reader.fail("tensor '" + name + "' has type " + std::to_string(type) + ", which is not a weight type");
  }
  tensor.type = static_cast<GgmlType>(type);
  if (tensor.dimensions[0] % tensor.traits->block != 0) {
    reader.fail("tensor '" + name + "' has rows of " + std::to_string(tensor.dimensions[0]) + " values, which " +
                std::string(tensor.traits->name) + " cannot pack");
  }
  const auto bytes = product(tensor.elements / tensor.traits->block, tensor.traits->bytes);
  if (!bytes) reader.fail("tensor '" + name + "' is too large");
  place = {reader.read<std::uint64_t>("a tensor offset"), *bytes};
  return tensor;
}

std::uint32_t alignment_of(const GgufValue* value, const ByteReader& reader) {
  if (value == nullptr) return kDefaultAlignment;
  if (value->type != GgufValueType::kUint32) reader.fail("'general.alignment' is not a u32");
  const std::uint64_t alignment = std::get<std::uint64_t>(value->value);
  if (!std::has_single_bit(alignment) || alignment < 8 || alignment > kMaxAlignment) {
    reader.fail("'general.alignment' is " + std::to_string(alignment) + ", which is not a power of two from 8 to " +
                std::to_string(kMaxAlignment));
  }
  return static_cast<std::uint32_t>(alignment);
}

std::uint64_t rounded_up(std::uint64_t value, std::uint64_t alignment) {
  return (value + alignment - 1) / alignment * alignment;
}

}  // namespace

std::string_view to_string(GgufValueType type) noexcept {
  constexpr std::array<std::string_view, 13> names{"u8",   "i8",     "u16",  "i16", "u32", "i32", "f32",
                                                   "bool", "string", "list", "u64", "i64", "f64"};
  return names[static_cast<std::size_t>(type)];
}

std::string GgufTensor::describe() const {
  std::string text(traits->name);
  for (std::size_t i = 0; i < dimensions.size(); ++i) {
    text.append(i == 0 ? " [" : ", ").append(std::to_string(dimensions[i]));
  }
  return text + "]";
}

GgufFile GgufFile::parse(std::span<const std::byte> bytes, const std::string& name) {
  GgufFile file;
  file.name_ = name;
  file.file_bytes_ = bytes.size();
  ByteReader reader(bytes, name);

  if (bytes.empty()) throw Error(ErrorCode::kBadFile, "'" + name + "' is empty: download it again", name);
  if (bytes.size() < 4 || reader.take_text(4, "the magic") != "GGUF") {
    const std::string mistake = mistaken_file(WantedFile::kModel, bytes);
    throw Error(ErrorCode::kBadFile,
                "'" + name + "' " + (mistake.empty() ? "is not a GGUF file: it does not begin with 'GGUF'" : mistake),
                name);
  }
  file.version_ = reader.read<std::uint32_t>("the version");
  if (file.version_ != 2 && file.version_ != 3) {
    const bool swapped = (file.version_ & 0xFFFFu) == 0;
    throw Error(ErrorCode::kUnsupported,
                "'" + name + "' is " +
                    (swapped ? "a big-endian GGUF file" : "GGUF version " + std::to_string(file.version_)) +
                    "; little-endian versions 2 and 3 are readable, convert the model again",
                name);
  }
  const auto tensor_count = reader.read<std::uint64_t>("the number of tensors");
  const auto key_count = reader.read<std::uint64_t>("the number of keys");
  if (tensor_count > kMaxTensors) reader.fail(std::to_string(tensor_count) + " tensors are more than any model has");
  if (key_count > kMaxKeys) reader.fail(std::to_string(key_count) + " keys are more than any model has");

  for (std::uint64_t i = 0; i < key_count; ++i) {
    const std::string_view key = read_string(reader, kMaxKeyBytes, "a key");
    if (key.empty()) reader.fail("a key is empty");
    const std::string key_text(key);
    if (!file.metadata_.emplace(key, read_value(reader, key_text)).second) {
      reader.fail("the key '" + key_text + "' occurs twice");
    }
  }
  const std::uint32_t alignment = alignment_of(file.find(kAlignmentKey), reader);
  file.alignment_ = alignment;

  std::vector<TensorPlace> places;
  for (std::uint64_t i = 0; i < tensor_count; ++i) {
    TensorPlace place{};
    file.tensors_.push_back(read_tensor(reader, place));
    places.push_back(place);
    if (!file.tensor_index_.emplace(file.tensors_.back().name, file.tensors_.size() - 1).second) {
      reader.fail("the tensor '" + std::string(file.tensors_.back().name) + "' occurs twice");
    }
  }

  const std::uint64_t data_start = rounded_up(reader.offset(), alignment);
  std::uint64_t expected = 0;
  for (std::size_t i = 0; i < places.size(); ++i) {
    const std::string tensor_name(file.tensors_[i].name);
    if (places[i].offset != expected) {
      reader.fail("the data of tensor '" + tensor_name + "' is at offset " + std::to_string(places[i].offset) +
                  " where " + std::to_string(expected) + " follows from the tensors before it");
    }
    const std::uint64_t begin = data_start + places[i].offset;
    if (begin > bytes.size() || places[i].bytes > bytes.size() - begin) {
      reader.fail("the data of tensor '" + tensor_name + "' (" + std::to_string(places[i].bytes) +
                  " bytes) reaches beyond the end of the file" + kCut);
    }
    file.tensors_[i].data = bytes.subspan(static_cast<std::size_t>(begin), static_cast<std::size_t>(places[i].bytes));
    expected = rounded_up(places[i].offset + places[i].bytes, alignment);
  }
  return file;
}

const GgufTensor* GgufFile::find_tensor(std::string_view name) const noexcept {
  const auto it = tensor_index_.find(name);
  return it == tensor_index_.end() ? nullptr : &tensors_[it->second];
}

const GgufValue* GgufFile::find(std::string_view key) const noexcept {
  const auto it = metadata_.find(key);
  return it == metadata_.end() ? nullptr : &it->second;
}

std::optional<std::vector<std::string_view>> GgufFile::strings(std::string_view key) const {
  const GgufValue* value = find(key);
  const auto* array = value ? std::get_if<GgufArray>(&value->value) : nullptr;
  if (array == nullptr || array->type != GgufValueType::kString) return std::nullopt;
  ByteReader reader(array->bytes, name_);
  std::vector<std::string_view> texts;
  texts.reserve(static_cast<std::size_t>(array->count));
  for (std::uint64_t i = 0; i < array->count; ++i) texts.push_back(read_string(reader, kMaxStringBytes, "a string"));
  return texts;
}

std::optional<std::vector<std::int32_t>> GgufFile::integers(std::string_view key) const {
  const GgufValue* value = find(key);
  const auto* array = value ? std::get_if<GgufArray>(&value->value) : nullptr;
  if (array == nullptr || (array->type != GgufValueType::kInt32 && array->type != GgufValueType::kUint32)) {
    return std::nullopt;
  }
  std::vector<std::int32_t> numbers(static_cast<std::size_t>(array->count));
  if (!numbers.empty()) std::memcpy(numbers.data(), array->bytes.data(), array->bytes.size());
  return numbers;
}

}  // namespace rwkv
