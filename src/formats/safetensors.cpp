#include "formats/safetensors.h"

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>
#include <optional>
#include <utility>

namespace rwkv {
namespace {

constexpr std::uint64_t kMaxHeaderBytes = std::uint64_t{64} << 20;
constexpr std::string_view kMetadataKey = "__metadata__";

struct Entry {
  std::string name;
  std::optional<DataType> type;
  std::optional<std::vector<std::uint64_t>> shape;
  std::optional<std::vector<std::uint64_t>> offsets;  // first byte and the one after the last, from the header's end
};

std::optional<DataType> type_named(std::string_view name) {
  for (int i = 0; i <= static_cast<int>(DataType::kF64); ++i) {
    if (to_string(static_cast<DataType>(i)) == name) return static_cast<DataType>(i);
  }
  return std::nullopt;
}

/// Takes the header's JSON piece by piece, so that nothing is built that the format does not have. Every member returns
/// whether to go on, as nlohmann's parser wants it.
class HeaderHandler {
 public:
  using Json = nlohmann::json;

  explicit HeaderHandler(const ByteReader& reader) : reader_(reader) {}

  bool null() { return refuse("null"); }
  bool boolean(bool) { return refuse("a truth value"); }
  bool number_integer(Json::number_integer_t) { return refuse("a negative number"); }
  bool number_float(Json::number_float_t, const std::string&) { return refuse("a number that is no size"); }
  bool binary(Json::binary_t&) { return refuse("binary data"); }

  bool number_unsigned(Json::number_unsigned_t value) {
    if (list_ == nullptr) return refuse("a number");
    if (list_->size() == kMaxWeightDimensions) {
      reader_.fail("tensor '" + entry_.name + "' has more than " + std::to_string(kMaxWeightDimensions) +
                   " dimensions");
    }
    list_->push_back(value);
    return true;
  }

  bool string(std::string& value) {
    if (depth_ == 2 && in_metadata_) return true;
    if (depth_ != 2 || key_ != "dtype" || list_ != nullptr) return refuse("a text");
    if (entry_.type) refuse_twice();
    entry_.type = type_named(value);
    if (!entry_.type) {
      throw Error(ErrorCode::kUnsupported,
                  "'" + reader_.name() + "': tensor '" + entry_.name + "' has the type '" + value.substr(0, 32) +
                      "', which is not known here",
                  reader_.name());
    }
    return true;
  }

  bool start_object(std::size_t) {
    if (depth_ >= 2 || list_ != nullptr) return refuse("an object");
    ++depth_;
    if (depth_ == 2) {
      in_metadata_ = key_ == kMetadataKey;
      if (in_metadata_ && std::exchange(metadata_seen_, true)) reader_.fail("'__metadata__' occurs twice");
      entry_ = Entry{key_, {}, {}, {}};
    }
    return true;
  }

  bool key(std::string& value) {
    key_ = std::move(value);
    if (depth_ == 2 && !in_metadata_ && key_ != "dtype" && key_ != "shape" && key_ != "data_offsets") {
      reader_.fail("tensor '" + entry_.name + "' has the unknown property '" + key_.substr(0, 32) + "'");
    }
    return true;
  }

  bool end_object() {
    --depth_;
    if (depth_ == 1 && !in_metadata_) {
      if (!entry_.type || !entry_.shape || !entry_.offsets || entry_.offsets->size() != 2) {
        reader_.fail("tensor '" + entry_.name + "' lacks its type, its shape or its two offsets");
      }
      if (entries.size() == kMaxWeightTensors) reader_.fail("there are more tensors than any model has");
      entries.push_back(std::move(entry_));
    }
    return true;
  }

  bool start_array(std::size_t) {
    if (depth_ != 2 || in_metadata_ || list_ != nullptr || key_ == "dtype") return refuse("a list");
    auto& target = key_ == "shape" ? entry_.shape : entry_.offsets;
    if (target) refuse_twice();
    list_ = &target.emplace();
    return true;
  }

  bool end_array() {
    list_ = nullptr;
    return true;
  }

  template <class Exception>
  bool parse_error(std::size_t position, const std::string&, const Exception&) {
    reader_.fail("the header is not JSON, at byte " + std::to_string(position) + " of it");
  }

  std::vector<Entry> entries;

 private:
  [[noreturn]] bool refuse(const std::string& what) const {
    reader_.fail("the header has " + what + " where the format has none" +
                 (depth_ > 0 ? ", at '" + (depth_ == 2 ? entry_.name : key_).substr(0, 64) + "'" : ""));
  }
  [[noreturn]] void refuse_twice() const {
    reader_.fail("tensor '" + entry_.name + "' has the property '" + key_ + "' twice");
  }

  const ByteReader& reader_;
  int depth_ = 0;
  bool in_metadata_ = false;
  bool metadata_seen_ = false;
  std::string key_;
  Entry entry_;
  std::vector<std::uint64_t>* list_ = nullptr;
};

/// Every byte belongs to exactly one tensor.
void check_places(const ByteReader& reader, std::vector<const Entry*> entries, std::uint64_t data_bytes) {
  std::sort(entries.begin(), entries.end(), [](const Entry* a, const Entry* b) { return *a->offsets < *b->offsets; });
  std::uint64_t expected = 0;
  for (const Entry* entry : entries) {
    const auto& offsets = *entry->offsets;
    if (offsets[0] != expected || offsets[1] < offsets[0]) {
      reader.fail("the data of tensor '" + entry->name + "' goes from " + std::to_string(offsets[0]) + " to " +
                  std::to_string(offsets[1]) + " where " + std::to_string(expected) + " comes next");
    }
    if (offsets[1] > data_bytes) {
      reader.fail("the data of tensor '" + entry->name + "' ends at " + std::to_string(offsets[1]) +
                  ", but the file has " + std::to_string(data_bytes) + " bytes of data: it is cut off");
    }
    expected = offsets[1];
  }
  if (expected != data_bytes) {
    reader.fail("after the last tensor " + std::to_string(data_bytes - expected) + " bytes are left over");
  }
}

}  // namespace

WeightFile parse_safetensors(std::span<const std::byte> bytes, const std::string& name) {
  ByteReader reader(bytes, name);
  const auto header_bytes = reader.read<std::uint64_t>("the header's length");
  if (header_bytes > kMaxHeaderBytes) {
    reader.fail("a header of " + std::to_string(header_bytes) +
                " bytes is longer than any model's: is it safetensors?");
  }
  ByteReader after = reader;
  const std::string_view header = after.take_text(header_bytes, "the header");
  if (!header.starts_with('{')) reader.fail("the header does not begin with '{': is it safetensors?");
  HeaderHandler handler(reader);
  nlohmann::json::sax_parse(header.begin(), header.end(), &handler);
  reader = after;

  std::vector<const Entry*> places;
  places.reserve(handler.entries.size());
  for (const Entry& entry : handler.entries) places.push_back(&entry);
  check_places(reader, places, reader.remaining());

  WeightFile file(name);
  for (Entry& entry : handler.entries) {
    WeightTensor tensor;
    tensor.elements = count_elements(reader, entry.name, *entry.shape);
    tensor.type = *entry.type;
    const std::uint64_t length = (*entry.offsets)[1] - (*entry.offsets)[0];
    const std::size_t size = data_type_bytes(tensor.type);
    if (length % size != 0 || length / size != tensor.elements) {
      reader.fail("tensor '" + entry.name + "' has " + std::to_string(length) + " bytes, which are not " +
                  std::to_string(tensor.elements) + " values of " + std::string(to_string(tensor.type)));
    }
    tensor.name = std::move(entry.name);
    tensor.shape = std::move(*entry.shape);
    tensor.strides = contiguous_strides(tensor.shape);
    tensor.data = bytes.subspan(reader.offset() + static_cast<std::size_t>((*entry.offsets)[0]),
                                static_cast<std::size_t>(length));
    file.add(reader, std::move(tensor));
  }
  return file;
}

}  // namespace rwkv
