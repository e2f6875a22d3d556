#include "formats/rmpack.h"

#include <algorithm>
#include <limits>
#include <nlohmann/json.hpp>
#include <set>
#include <utility>

#include "formats/byte_reader.h"

namespace rwkv {
namespace {

constexpr std::string_view kMagic = "RWKVMBLE";
constexpr std::uint32_t kMaxConfigBytes = 1u << 20;
constexpr std::uint32_t kMaxBlobs = 65536;
constexpr std::uint32_t kMaxNameBytes = 4096;
constexpr std::uint64_t kAlignment = 4096;  // what mapping a blob by itself needs
constexpr std::size_t kMaxDepth = 32;

/// Keeps the plain values of the outermost object and only counts what is nested deeper.
class ConfigHandler {
 public:
  using Json = nlohmann::json;

  ConfigHandler(const ByteReader& reader, RmpackFile& file) : reader_(reader), file_(file) {}

  bool null() { return plain(); }
  bool boolean(bool value) { return keep(value); }
  bool number_integer(Json::number_integer_t value) { return keep(std::int64_t{value}); }
  bool number_unsigned(Json::number_unsigned_t value) {
    if (value > static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max())) {
      return keep(static_cast<double>(value));
    }
    return keep(static_cast<std::int64_t>(value));
  }
  bool number_float(Json::number_float_t value, const std::string&) { return keep(value); }
  bool string(std::string& value) { return keep(std::move(value)); }
  bool binary(Json::binary_t&) { return plain(); }
  bool key(std::string& value) {
    if (depth_ != 1) return true;
    key_ = std::move(value);
    if (!keys_.insert(key_).second) reader_.fail("the configuration has the key '" + key_.substr(0, 64) + "' twice");
    return true;
  }
  bool start_object(std::size_t) { return enter(); }
  bool end_object() { return leave(); }
  bool start_array(std::size_t) {
    plain();
    return enter();
  }
  bool end_array() { return leave(); }
  template <class Exception>
  bool parse_error(std::size_t position, const std::string&, const Exception&) {
    reader_.fail("the configuration is not JSON, at byte " + std::to_string(position) + " of it");
  }

 private:
  bool plain() const {
    if (depth_ == 0) reader_.fail("the configuration is no JSON object");
    return true;
  }
  bool keep(RmpackFile::Value value) {
    plain();
    if (depth_ == 1) file_.config.emplace(key_, std::move(value));
    return true;
  }
  bool enter() {
    if (++depth_ > kMaxDepth) reader_.fail("the configuration is nested too deeply");
    return true;
  }
  bool leave() {
    --depth_;
    return true;
  }

  const ByteReader& reader_;
  RmpackFile& file_;
  std::size_t depth_ = 0;
  std::string key_;
  std::set<std::string> keys_;
};

}  // namespace

const RmpackFile::Blob* RmpackFile::find(std::string_view name) const noexcept {
  const auto it = std::find_if(blobs.begin(), blobs.end(), [&](const Blob& blob) { return blob.name == name; });
  return it == blobs.end() ? nullptr : &*it;
}

std::int64_t RmpackFile::number(std::string_view key, std::int64_t otherwise) const noexcept {
  const auto it = config.find(key);
  const auto* value = it == config.end() ? nullptr : std::get_if<std::int64_t>(&it->second);
  return value ? *value : otherwise;
}

bool RmpackFile::flag(std::string_view key) const noexcept {
  const auto it = config.find(key);
  if (it == config.end()) return false;
  if (const auto* truth = std::get_if<bool>(&it->second)) return *truth;
  if (const auto* integer = std::get_if<std::int64_t>(&it->second)) return *integer == 1;
  const auto* text = std::get_if<std::string>(&it->second);
  return text && (*text == "true" || *text == "1" || *text == "yes" || *text == "on");
}

RmpackFile parse_rmpack(std::span<const std::byte> bytes, const std::string& name) {
  ByteReader reader(bytes, name);
  if (bytes.size() < kMagic.size() || reader.take_text(kMagic.size(), "the magic") != kMagic) {
    throw Error(ErrorCode::kBadFile, "'" + name + "' is no rmpack: it does not begin with 'RWKVMBLE'", name);
  }
  RmpackFile file;
  const auto config_bytes = reader.read<std::uint32_t>("the configuration's length");
  if (config_bytes > kMaxConfigBytes) reader.fail("a configuration of more than a megabyte is none");
  const std::string_view config = reader.take_text(config_bytes, "the configuration");
  ConfigHandler handler(reader, file);
  nlohmann::json::sax_parse(config.begin(), config.end(), &handler);

  const auto count = reader.read<std::uint32_t>("the number of files");
  if (count > kMaxBlobs) reader.fail(std::to_string(count) + " files are more than any model has");
  std::set<std::string_view> names;
  struct Place {
    std::uint64_t offset;
    std::uint64_t size;
  };
  std::vector<Place> places;
  for (std::uint32_t i = 0; i < count; ++i) {
    const auto name_bytes = reader.read<std::uint32_t>("a name's length");
    if (name_bytes == 0 || name_bytes > kMaxNameBytes) {
      reader.fail("a file's name has " + std::to_string(name_bytes) + " bytes, not 1 to " +
                  std::to_string(kMaxNameBytes));
    }
    const std::string_view blob_name = reader.take_text(name_bytes, "a name");
    const std::string shown(blob_name.substr(0, 256));
    if (!names.insert(blob_name).second) reader.fail("the file '" + shown + "' occurs twice");
    const auto size = reader.read<std::uint64_t>("a file's size");
    const auto offset = reader.read<std::uint64_t>("a file's offset");
    if (offset % kAlignment != 0) {
      reader.fail("the file '" + shown + "' begins at " + std::to_string(offset) + ", which is no multiple of " +
                  std::to_string(kAlignment));
    }
    if (offset > bytes.size() || size > bytes.size() - offset) {
      reader.fail("the file '" + shown + "' of " + std::to_string(size) + " bytes at " + std::to_string(offset) +
                  " reaches beyond the end: it is cut off");
    }
    file.blobs.push_back({blob_name, bytes.subspan(static_cast<std::size_t>(offset), static_cast<std::size_t>(size))});
    places.push_back({offset, size});
  }

  std::sort(places.begin(), places.end(), [](const Place& a, const Place& b) {
    return a.offset != b.offset ? a.offset < b.offset : a.size < b.size;
  });
  std::uint64_t end = reader.offset();
  for (const Place& place : places) {
    if (place.offset < end) reader.fail("the files of the container overlap each other or its table");
    end = place.offset + place.size;
  }
  return file;
}

}  // namespace rwkv
