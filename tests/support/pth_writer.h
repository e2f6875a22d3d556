// Writes checkpoints as torch.save() does (torch/serialization.py of PyTorch 2): a pickle and the storages in a zip
// archive without compression. Written from those descriptions, without a line of the readers.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "support/gguf_writer.h"

namespace rwkv::test {

inline std::uint32_t zip_crc(const std::string& bytes) {
  std::uint32_t crc = 0xFFFFFFFFu;
  for (const char c : bytes) {
    crc ^= static_cast<unsigned char>(c);
    for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1) ^ ((crc & 1) != 0 ? 0xEDB88320u : 0);
  }
  return ~crc;
}

/// An archive of stored files.
inline std::string zip_of(const std::vector<std::pair<std::string, std::string>>& files) {
  std::string out;
  std::string directory;
  for (const auto& [name, data] : files) {
    const auto size = static_cast<std::uint32_t>(data.size());
    // Flags, stored, time, date, checksum, both sizes, lengths of the name and of the extra field.
    const std::string common = raw<std::uint16_t>(0) + raw<std::uint16_t>(0) + raw<std::uint32_t>(0) +
                               raw(zip_crc(data)) + raw(size) + raw(size) +
                               raw(static_cast<std::uint16_t>(name.size())) + raw<std::uint16_t>(0);
    directory += "PK\x01\x02" + raw<std::uint16_t>(20) + raw<std::uint16_t>(20) + common + raw<std::uint16_t>(0) +
                 raw<std::uint16_t>(0) + raw<std::uint16_t>(0) + raw<std::uint32_t>(0) +
                 raw(static_cast<std::uint32_t>(out.size())) + name;
    out += "PK\x03\x04" + raw<std::uint16_t>(20) + common + name + data;
  }
  const auto count = static_cast<std::uint16_t>(files.size());
  const auto begin = static_cast<std::uint32_t>(out.size());
  return out + directory + "PK\x05\x06" + raw<std::uint16_t>(0) + raw<std::uint16_t>(0) + raw(count) + raw(count) +
         raw(static_cast<std::uint32_t>(directory.size())) + raw(begin) + raw<std::uint16_t>(0);
}

/// Makes values of a pickle (protocol 2) and keeps the storages of its tensors.
class PthWriter {
 public:
  using Items = std::vector<std::pair<std::string, std::string>>;  // keys and pickled values

  static std::string number(std::int32_t value) { return "J" + raw(value); }
  static std::string text(const std::string& value) {
    return "X" + raw(static_cast<std::uint32_t>(value.size())) + value;
  }
  static std::string list(const std::vector<std::string>& values) {
    std::string out = "](";
    for (const std::string& value : values) out += value;
    return out + "e";
  }
  /// As `{...}`, or as what state_dict() gives.
  static std::string dict(const Items& items, bool ordered = false) {
    std::string out = ordered ? kOrderedDict + "(" : "}(";
    for (const auto& [key, value] : items) out += text(key) + value;
    return out + "u";
  }

  /// A tensor with a storage of its own, by torch's name for the type ("HalfStorage").
  std::string tensor(const std::string& storage_type, const std::vector<std::uint64_t>& shape, const std::string& data,
                     std::size_t element_bytes) {
    const std::string key = std::to_string(storages_.size());
    storages_.push_back(data);
    std::string sizes = "(";
    for (const std::uint64_t size : shape) sizes += number(static_cast<std::int32_t>(size));
    std::string strides = "(";
    for (std::size_t i = 0; i < shape.size(); ++i) {
      std::uint64_t stride = 1;
      for (std::size_t j = i + 1; j < shape.size(); ++j) stride *= shape[j];
      strides += number(static_cast<std::int32_t>(stride));
    }
    const std::string storage = "(" + text("storage") + "ctorch\n" + storage_type + "\n" + text(key) + text("cuda:0") +
                                number(static_cast<std::int32_t>(data.size() / element_bytes)) + "tQ";
    return "ctorch._utils\n_rebuild_tensor_v2\n(" + storage + number(0) + sizes + "t" + strides + "t\x89" +
           kOrderedDict + "tR";
  }
  static std::string parameter(const std::string& tensor) {
    return "ctorch._utils\n_rebuild_parameter\n(" + tensor + "\x88" + kOrderedDict + "tR";
  }

  /// The file with this value in it.
  std::string file(const std::string& value) const {
    std::vector<std::pair<std::string, std::string>> files{{"archive/data.pkl", "\x80\x02" + value + "."},
                                                           {"archive/byteorder", "little"}};
    for (std::size_t i = 0; i < storages_.size(); ++i) {
      files.emplace_back("archive/data/" + std::to_string(i), storages_[i]);
    }
    files.emplace_back("archive/version", "3\n");
    return zip_of(files);
  }

 private:
  inline static const std::string kOrderedDict = "ccollections\nOrderedDict\n)R";

  std::vector<std::string> storages_;
};

}  // namespace rwkv::test
