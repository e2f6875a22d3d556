// WAV as it is met: Microsoft's and IBM's RIFF (1991) with WAVEFORMATEXTENSIBLE, EBU Tech 3306 (RF64), ITU-R BS.2088
// (BW64), ITU-T G.711. Written here because decoders in use do not know BW64, take 24 bits in four bytes for three, or
// believe a length of 0.
#include <algorithm>
#include <bit>
#include <cstring>
#include <optional>
#include <utility>

#include "base/error.h"
#include "formats/byte_reader.h"
#include "media/sound_decoder.h"

namespace rwkv {
namespace {

constexpr std::uint16_t kPcm = 1;
constexpr std::uint16_t kFloat = 3;
constexpr std::uint16_t kALaw = 6;
constexpr std::uint16_t kMuLaw = 7;
constexpr std::uint16_t kExtensible = 0xFFFE;

struct Layout {
  std::uint16_t coding = 0;
  std::uint16_t channels = 0;
  std::uint32_t rate = 0;
  std::size_t value_bytes = 0;  // of one channel of a frame
};

/// ITU-T G.711, table 1a: sign, three bits of exponent, four of mantissa, each second bit inverted. 13 bits and sign.
float a_law(std::uint8_t byte) {
  const unsigned code = byte ^ 0x55U;
  const unsigned exponent = code >> 4 & 7;
  const unsigned mantissa = (code & 15) * 2 + 1;
  const unsigned value = exponent == 0 ? mantissa : (mantissa + 32) << (exponent - 1);
  return (code & 0x80 ? 1.0f : -1.0f) * static_cast<float>(value) / 4096.0f;
}

/// ITU-T G.711, table 2a: all bits inverted, a bias of 33. 14 bits and sign.
float mu_law(std::uint8_t byte) {
  const unsigned code = byte ^ 0xFFU;
  const unsigned value = (((code & 15) * 2 + 33) << (code >> 4 & 7)) - 33;
  return (code & 0x80 ? -1.0f : 1.0f) * static_cast<float>(value) / 8192.0f;
}

/// A number of that many bytes, little-endian, the sign in its last; full scale is 1. Fewer bits lie at the top.
float pcm(const std::byte* value, std::size_t bytes) {
  if (bytes == 1) return static_cast<float>(std::to_integer<int>(*value) - 128) / 128.0f;
  std::uint64_t bits = 0;
  for (std::size_t i = 0; i < bytes; ++i) bits |= std::to_integer<std::uint64_t>(value[i]) << (64 - 8 * bytes + 8 * i);
  return static_cast<float>(static_cast<double>(std::bit_cast<std::int64_t>(bits)) * 0x1p-63);
}

float value_at(const std::byte* value, const Layout& layout) {
  switch (layout.coding) {
    case kALaw: return a_law(std::to_integer<std::uint8_t>(*value));
    case kMuLaw: return mu_law(std::to_integer<std::uint8_t>(*value));
    case kFloat: {
      float single = 0;
      double twofold = 0;
      if (layout.value_bytes == sizeof single) {
        std::memcpy(&single, value, sizeof single);
        return single;
      }
      std::memcpy(&twofold, value, sizeof twofold);
      return static_cast<float>(twofold);
    }
    default: return pcm(value, layout.value_bytes);
  }
}

class WavDecoder final : public SoundDecoder {
 public:
  WavDecoder(const Layout& layout, std::span<const std::byte> data) : layout_(layout), data_(data) {}

  Format format() const override {
    return {layout_.rate, layout_.channels, data_.size() / (layout_.value_bytes * layout_.channels)};
  }

  std::size_t read(std::span<float> frames) override {
    const std::size_t whole = data_.size() / (layout_.value_bytes * layout_.channels) * layout_.channels;
    const std::size_t count = std::min(frames.size(), whole);
    for (std::size_t i = 0; i < count; ++i) frames[i] = value_at(data_.data() + i * layout_.value_bytes, layout_);
    data_ = data_.subspan(count * layout_.value_bytes);
    return count;
  }

 private:
  Layout layout_;
  std::span<const std::byte> data_;  // what has not been read yet
};

[[noreturn]] void refuse(const ByteReader& reader, const std::string& reason) {
  throw Error(ErrorCode::kUnsupported, "'" + reader.name() + "' " + reason + ": save it as PCM of 16 bits",
              reader.name());
}

Layout read_layout(ByteReader reader) {
  Layout layout;
  layout.coding = reader.read<std::uint16_t>("coding");
  layout.channels = reader.read<std::uint16_t>("channels");
  layout.rate = reader.read<std::uint32_t>("rate");
  reader.take(4, "bytes a second");
  const auto frame_bytes = reader.read<std::uint16_t>("bytes of a frame");
  const auto bits = reader.read<std::uint16_t>("bits of a value");
  if (layout.coding == kExtensible && reader.remaining() >= 2 + 22) {
    reader.take(2 + 2 + 4, "extension");
    layout.coding = reader.read<std::uint16_t>("coding");
    constexpr std::string_view kRest("\0\0\0\0\x10\0\x80\0\0\xAA\0\x38\x9B\x71", 14);
    if (reader.take_text(kRest.size(), "coding") != kRest) layout.coding = kExtensible;
  }
  if (layout.channels == 0) reader.fail("the sound has no channels: the file is damaged");
  const std::size_t needed = (bits + 7U) / 8U;
  const bool stated = frame_bytes % layout.channels == 0 && frame_bytes / layout.channels >= needed;
  layout.value_bytes = stated ? frame_bytes / layout.channels : needed;
  const auto has = [&](std::initializer_list<std::size_t> sizes) {
    return std::find(sizes.begin(), sizes.end(), layout.value_bytes) != sizes.end();
  };
  const bool known = layout.coding == kPcm     ? layout.value_bytes >= 1 && layout.value_bytes <= 8
                     : layout.coding == kFloat ? has({4, 8})
                                               : (layout.coding == kALaw || layout.coding == kMuLaw) && has({1});
  if (!known) {
    refuse(reader, "is a WAV coded in a way that is not read here (format " + std::to_string(layout.coding) + ", " +
                       std::to_string(bits) + " bits)");
  }
  return layout;
}

}  // namespace

std::unique_ptr<SoundDecoder> open_wav(std::span<const std::byte> bytes, const std::string& name) {
  ByteReader reader(bytes, name);
  const bool wide = reader.take_text(4, "signature") != "RIFF";
  reader.take(8, "signature");
  std::optional<Layout> layout;
  std::optional<std::span<const std::byte>> data;
  std::uint64_t wide_size = 0;
  while ((!layout || !data) && reader.remaining() >= 8) {
    const auto kind = reader.take_text(4, "kind of a chunk");
    std::uint64_t size = reader.read<std::uint32_t>("size of a chunk");
    if (kind == "data" && !data) {
      if (wide && size == 0xFFFFFFFF) size = wide_size;
      // Recorders write the size when they end; a pipe never learns it.
      if (size == 0 || size > reader.remaining()) size = reader.remaining();
      data = ByteReader(reader).take(size, "data");
    }
    if (size > reader.remaining()) {
      if (kind == "fmt " && reader.remaining() >= 16) layout = read_layout(reader);
      break;
    }
    const auto content = reader.take(size, "chunk");
    if (kind == "fmt ") layout = read_layout(ByteReader(content, name));
    if (kind == "ds64" && size >= 16) {
      ByteReader sizes(content, name);
      sizes.take(8, "size of the file");
      wide_size = sizes.read<std::uint64_t>("size of the data");
    }
    if (size % 2 == 1 && reader.remaining() > 0) reader.take(1, "padding");
  }
  if (!layout || !data) {
    reader.fail(std::string("the WAV has no ") + (layout ? "data" : "format") +
                ": the file is cut off or damaged, get it again");
  }
  return std::make_unique<WavDecoder>(*layout, *data);
}

}  // namespace rwkv
