#include "formats/whisper_ggml.h"

#include <algorithm>
#include <cstring>
#include <limits>

#include "formats/byte_reader.h"

namespace rwkv {
namespace {

constexpr std::string_view kMagic = "lmgg";  // 0x67676d6c
constexpr std::uint32_t kMaxSize = 1u << 20;
constexpr std::uint32_t kMaxLayers = 256;
constexpr std::uint32_t kMaxWords = 1u << 20;
constexpr std::uint32_t kMaxWordBytes = 1u << 16;
constexpr std::uint32_t kMaxDimensions = 4;
constexpr std::uint32_t kMaxNameBytes = 256;
constexpr std::size_t kMaxTensors = 65536;
constexpr const char* kAdapter = "rwkv.adapter.conv.weight";

std::uint32_t read_size(ByteReader& reader, std::string_view what, std::uint32_t most) {
  const auto value = reader.read<std::uint32_t>(what);
  if (value < 1 || value > most) {
    reader.fail(std::string(what) + " is " + std::to_string(value) + ", not 1 to " + std::to_string(most));
  }
  return value;
}

WhisperGgmlTensor read_tensor(ByteReader& reader, std::string_view& name) {
  const std::uint32_t rank = read_size(reader, "a tensor's number of dimensions", kMaxDimensions);
  const std::uint32_t length = read_size(reader, "the length of a tensor's name", kMaxNameBytes);
  const auto type = reader.read<std::uint32_t>("a tensor type");
  WhisperGgmlTensor tensor;
  std::uint64_t elements = 1;
  for (std::uint32_t i = 0; i < rank; ++i) {
    tensor.dimensions.push_back(read_size(reader, "a tensor dimension", std::numeric_limits<std::int32_t>::max()));
    if (elements > (std::uint64_t{1} << 40) / tensor.dimensions.back()) reader.fail("a tensor is too large");
    elements *= tensor.dimensions.back();
  }
  name = reader.take_text(length, "a tensor's name");
  const GgmlTypeTraits* traits = ggml_type_traits(type);
  if (traits == nullptr || tensor.dimensions[0] % traits->block != 0) {
    reader.fail("tensor '" + std::string(name) + "' has type " + std::to_string(type) +
                ", which is not a weight type or cannot pack its rows");
  }
  tensor.type = static_cast<GgmlType>(type);
  tensor.data = reader.take(elements / traits->block * traits->bytes, "tensor '" + std::string(name) + "'");
  return tensor;
}

}  // namespace

bool is_whisper_ggml(std::span<const std::byte> bytes) noexcept {
  return bytes.size() >= kMagic.size() && std::memcmp(bytes.data(), kMagic.data(), kMagic.size()) == 0;
}

WhisperGgmlFile parse_whisper_ggml(std::span<const std::byte> bytes, const std::string& name) {
  ByteReader reader(bytes, name);
  if (!is_whisper_ggml(bytes)) reader.fail("is no ggml file");
  reader.take(kMagic.size(), "the magic");
  WhisperGgmlFile file;
  read_size(reader, "the vocabulary's size", kMaxWords);
  file.audio_context = read_size(reader, "the audio context", kMaxSize);
  file.width = read_size(reader, "the encoder's width", kMaxSize);
  file.heads = read_size(reader, "the number of heads", kMaxSize);
  file.layers = read_size(reader, "the number of layers", kMaxLayers);
  for (const char* what : {"context", "width", "heads", "layers"}) {
    reader.read<std::uint32_t>(std::string("the decoder's ") + what);
  }
  file.mel_bands = read_size(reader, "the number of mel bands", kMaxSize);
  file.row_width = read_size(reader, "the width of the adapter's rows", kMaxSize);
  file.adapter_hidden = read_size(reader, "the adapter's inner width", kMaxSize);
  reader.read<std::uint32_t>("the file type");

  const auto bands = reader.read<std::uint32_t>("the filters' bands");
  const auto bins = reader.read<std::uint32_t>("the filters' bins");
  if (bands != file.mel_bands || bins > kMaxSize) {
    throw Error(
        ErrorCode::kUnsupported,
        "'" + name +
            "' is a ggml file, but not a Whisper encoder with an adapter for RWKV: where its mel filters should "
            "be are " +
            std::to_string(bands) + " x " + std::to_string(bins) +
            "; convert the encoder and its adapter with rwkv convert --kind audio",
        name);
  }
  file.mel_bins = bins;
  file.mel_filters = reader.take(std::uint64_t{4} * bands * bins, "the mel filters");
  const auto words = reader.read<std::uint32_t>("the number of words");
  if (words > kMaxWords) reader.fail(std::to_string(words) + " words are more than any vocabulary has");
  for (std::uint32_t i = 0; i < words; ++i) {
    const auto length = reader.read<std::uint32_t>("a word's length");
    if (length > kMaxWordBytes) reader.fail("a word has " + std::to_string(length) + " bytes");
    reader.take(length, "a word");
  }

  while (reader.remaining() > 0) {
    if (file.tensors.size() == kMaxTensors) reader.fail("has more tensors than any model");
    std::string_view tensor_name;
    const WhisperGgmlTensor tensor = read_tensor(reader, tensor_name);
    if (!file.tensors.emplace(tensor_name, tensor).second) {
      reader.fail("the tensor '" + std::string(tensor_name) + "' occurs twice");
    }
  }
  if (!file.tensors.contains(kAdapter)) reader.fail("the file ends before its adapter; download it again");
  return file;
}

}  // namespace rwkv
