#include "formats/state_file.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <filesystem>
#include <vector>

#include "base/atomic_file.h"
#include "base/checksum.h"
#include "base/mapped_file.h"
#include "base/utf8_path.h"
#include "formats/byte_reader.h"
#include "formats/file_kind.h"
#include "formats/floats.h"

namespace rwkv {
namespace {

constexpr std::string_view kMagic = "RWKVSTAT";
constexpr std::uint32_t kVersion = 2;
// Far beyond any model; their products fit 64 bits.
constexpr std::uint32_t kMostLayers = 1024;
constexpr std::uint32_t kMostWidth = 1u << 24;
constexpr std::uint32_t kMostHeads = 1u << 16;
constexpr std::uint32_t kMostHeadSize = 1024;

struct Header {
  char magic[8];
  std::uint32_t version;
  std::uint32_t type;
  std::uint64_t fingerprint;
  char backend[24];  // padded with zeros
  std::uint32_t layers;
  std::uint32_t width;
  std::uint32_t heads;
  std::uint32_t head_size;
  std::uint64_t tokens;
  std::uint64_t checksum;  // of the header with 0 here, the tokens and the values
};
static_assert(sizeof(Header) == 80);

std::span<const std::byte> bytes_of(const Header& header) { return std::as_bytes(std::span(&header, 1)); }

std::uint64_t checksum_of(Header header, std::span<const std::byte> tokens, std::span<const std::byte> values) {
  header.checksum = 0;
  return checksum(values, checksum(tokens, checksum(bytes_of(header))));
}

std::string backend_of(const Header& header) {
  return {header.backend, std::find(header.backend, std::end(header.backend), '\0')};
}

Tokens tokens_of(std::span<const std::byte> bytes) {
  Tokens tokens(bytes.size() / sizeof(TokenId));
  if (!tokens.empty()) std::memcpy(tokens.data(), bytes.data(), tokens.size() * sizeof(TokenId));
  return tokens;
}

bool all_finite(std::span<const float> values) {
  return std::all_of(values.begin(), values.end(), [](float value) { return std::isfinite(value); });
}

}  // namespace

void refuse_to_replace(const std::string& path) {
  const std::filesystem::path target = target_to_write(path);
  std::error_code nothing_there;
  if (std::filesystem::file_size(target, nothing_there) == 0 || nothing_there) return;
  const std::string mistaken = mistaken_file(WantedFile::kSavedState, MappedFile(utf8_from_path(target)).bytes());
  if (mistaken.empty()) return;
  throw Error(ErrorCode::kInvalidArgument, "a state would replace '" + path + "', which " +
                                               mistaken.substr(0, mistaken.find_first_of(",;")) +
                                               "; choose another name, or remove that file first");
}

void write_state_file(const std::string& path, const StateFile& file) {
  Header header{};
  std::memcpy(header.magic, kMagic.data(), kMagic.size());
  header.version = kVersion;
  header.type = static_cast<std::uint32_t>(file.type);
  header.fingerprint = file.fingerprint;
  std::memcpy(header.backend, file.backend.data(), std::min(file.backend.size(), sizeof header.backend));
  header.layers = file.tensors.layers;
  header.width = file.tensors.width;
  header.heads = file.tensors.heads;
  header.head_size = file.tensors.head_size;
  header.tokens = file.tokens.size();
  std::span<const std::byte> values = std::as_bytes(std::span(file.tensors.values));
  std::vector<std::byte> halves;
  if (!all_finite(file.tensors.values)) {
    throw Error(ErrorCode::kInvalidArgument, "the state has values that are not finite; it is of no use");
  }
  if (file.type == StateType::kF16) {
    halves.resize(file.tensors.values.size() * 2);
    if (!encode_halves(file.tensors.values, halves.data())) {
      throw Error(ErrorCode::kInvalidArgument, "the state has values too large for f16; save it as f32");
    }
    values = halves;
  }
  header.checksum = checksum_of(header, std::as_bytes(std::span(file.tokens)), values);
  write_file_atomically(path, {bytes_of(header), std::as_bytes(std::span(file.tokens)), values});
}

StateFile read_state_file(const std::string& path) { return parse_state_file(MappedFile(path).bytes(), path); }

bool looks_like_state_file(std::span<const std::byte> bytes) noexcept {
  return bytes.size() >= kMagic.size() && std::memcmp(bytes.data(), kMagic.data(), kMagic.size()) == 0;
}

namespace {

struct Parts {
  Header header;
  StateTensors shape;  // without values
  std::span<const std::byte> tokens;
  std::span<const std::byte> values;
};

Parts parse_parts(ByteReader& reader, std::span<const std::byte> bytes) {
  if (!looks_like_state_file(bytes)) reader.fail("it is not a saved state: it does not begin with 'RWKVSTAT'");
  ByteReader start = reader;
  start.take(kMagic.size(), "the beginning");
  if (const auto version = start.read<std::uint32_t>("the version"); version != kVersion) {
    start.fail("the state has version " + std::to_string(version) + ", this runtime reads version " +
               std::to_string(kVersion));
  }
  Parts parts;
  parts.header = reader.read<Header>("the header");
  const Header& header = parts.header;
  if (header.type > static_cast<std::uint32_t>(StateType::kF16)) {
    reader.fail("the values are of type " + std::to_string(header.type) + ", which is neither f32 (0) nor f16 (1)");
  }
  if (header.layers > kMostLayers || header.width > kMostWidth || header.heads > kMostHeads ||
      header.head_size > kMostHeadSize) {
    reader.fail("the sizes of the state are absurd");
  }
  parts.shape = {header.layers, header.width, header.heads, header.head_size, {}};
  if (header.tokens > reader.remaining() / sizeof(TokenId)) reader.fail("the tokens do not fit: the file is cut off");
  parts.tokens = reader.take(header.tokens * sizeof(TokenId), "the tokens");
  const std::uint64_t value_bytes = header.type == static_cast<std::uint32_t>(StateType::kF16) ? 2 : 4;
  parts.values = reader.take(header.layers * parts.shape.layer_values() * value_bytes, "the values");
  if (reader.remaining() != 0) reader.fail("something follows the state");
  return parts;
}

}  // namespace

StateFile parse_state_file(std::span<const std::byte> bytes, const std::string& name) {
  ByteReader reader(bytes, name);
  const Parts parts = parse_parts(reader, bytes);
  const Header& header = parts.header;
  if (header.checksum != checksum_of(header, parts.tokens, parts.values)) {
    reader.fail("the checksum is wrong: the file was altered");
  }
  StateFile file;
  file.type = static_cast<StateType>(header.type);
  file.fingerprint = header.fingerprint;
  file.backend = backend_of(header);
  file.tokens = tokens_of(parts.tokens);
  file.tensors = parts.shape;
  file.tensors.values.resize(static_cast<std::size_t>(header.layers * parts.shape.layer_values()));
  decode_floats(file.type == StateType::kF16 ? DataType::kF16 : DataType::kF32, parts.values.data(),
                file.tensors.values);
  if (!all_finite(file.tensors.values)) reader.fail("the state has values that are not finite");
  return file;
}

StateFileHead read_state_file_head(const std::string& path) {
  const MappedFile file(path);
  ByteReader reader(file.bytes(), path);
  const Parts parts = parse_parts(reader, file.bytes());
  return {parts.header.fingerprint, backend_of(parts.header), tokens_of(parts.tokens)};
}

namespace {

OldStateFile parse_old_parts(std::span<const std::byte> bytes, const std::string& name) {
  ByteReader reader(bytes, name);
  OldStateFile file;
  file.state = reader.take(reader.read<std::uint32_t>("the size of the state"), "the state");
  const auto tokens = reader.take(reader.read<std::uint32_t>("the size of the tokens"), "the tokens");
  const auto logits = reader.take(reader.read<std::uint32_t>("the size of the logits"), "the logits");
  if (reader.remaining() != 0) reader.fail("something follows the logits");
  if (file.state.empty() || tokens.empty() || tokens.size() % sizeof(TokenId) != 0 || logits.size() % 4 != 0) {
    reader.fail("it is not a saved state: its parts have impossible sizes");
  }
  file.tokens = tokens_of(tokens);
  return file;
}

}  // namespace

OldStateFile parse_old_state_file(std::span<const std::byte> bytes, const std::string& name) {
  try {
    return parse_old_parts(bytes, name);
  } catch (const Error&) {
    // Only now: it begins with a size, whose bytes may be those of another kind of file.
    const std::string mistake = mistaken_file(WantedFile::kSavedState, bytes);
    if (mistake.empty()) throw;
    throw Error(ErrorCode::kBadFile, "'" + name + "' " + mistake, name);
  }
}

}  // namespace rwkv
