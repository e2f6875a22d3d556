// The pickle in a PyTorch checkpoint. The input is the pickle alone; the archive around it, with its checksum and some
// storages, is built here, since no mutation finds a checksum.
#include <array>
#include <cstring>
#include <string>

#include "checkpoint.h"
#include "formats/pth.h"

namespace {

template <class T>
std::string raw(T value) {
  std::string bytes(sizeof value, '\0');
  std::memcpy(bytes.data(), &value, sizeof value);
  return bytes;
}

std::uint32_t crc_of(const std::string& text) {
  std::uint32_t crc = ~0u;
  for (const char c : text) {
    crc ^= static_cast<unsigned char>(c);
    for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1) ^ ((crc & 1u) != 0 ? 0xEDB88320u : 0u);
  }
  return ~crc;
}

class Archive {
 public:
  void add(const std::string& name, const std::string& data) {
    const std::string common = raw(0u) + raw(0u) + raw(crc_of(data)) + raw(static_cast<std::uint32_t>(data.size())) +
                               raw(static_cast<std::uint32_t>(data.size())) +
                               raw(static_cast<std::uint16_t>(name.size())) + raw(std::uint16_t{0});
    directory_ +=
        "PK\1\2" + raw(0u) + common + std::string(10, '\0') + raw(static_cast<std::uint32_t>(files_.size())) + name;
    files_ += "PK\3\4" + raw(std::uint16_t{20}) + common + name + data;
    ++count_;
  }
  std::string bytes() const {
    return files_ + directory_ + "PK\5\6" + raw(0u) + raw(count_) + raw(count_) +
           raw(static_cast<std::uint32_t>(directory_.size())) + raw(static_cast<std::uint32_t>(files_.size())) +
           raw(std::uint16_t{0});
  }

 private:
  std::string files_;
  std::string directory_;
  std::uint16_t count_ = 0;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace rwkv;
  Archive archive;
  archive.add("archive/data.pkl", std::string(fuzz::text_of(data, size)));
  for (int i = 0; i < 4; ++i) archive.add("archive/data/" + std::to_string(i), std::string(std::size_t{24} << i, '\1'));
  const std::string bytes = archive.bytes();
  fuzz::refuse_or_parse([&] { fuzz::use(parse_pth(std::as_bytes(std::span(bytes)), "input.pth")); });
  return 0;
}
