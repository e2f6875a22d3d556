#include "backends/state_blob.h"

#include <algorithm>
#include <cstring>
#include <limits>
#include <string>
#include <utility>

#include "base/checksum.h"
#include "base/error.h"

namespace rwkv {
namespace {

struct Header {
  std::uint32_t magic;
  std::uint32_t version;
  std::uint64_t fingerprint;
  std::int64_t position;
  std::uint64_t payload_bytes;
  std::uint64_t checksum;  // of the payload
};

constexpr std::uint32_t kMagic = 0x534C4B52;  // "RKLS"
constexpr std::uint32_t kVersion = 1;
constexpr std::size_t kSampleBytes = 256;

}  // namespace

std::uint64_t model_fingerprint(const GgufFile& file, const RwkvPassport& passport) {
  std::uint64_t hash = 0xCBF29CE484222325u;
  const auto mix = [&hash](std::uint64_t value) {
    hash = (hash ^ value) * 0x100000001B3u;
    hash ^= hash >> 31;
  };
  for (const int value : {passport.layers, passport.width, passport.heads, passport.head_size, passport.feed_forward,
                          passport.vocabulary}) {
    mix(static_cast<std::uint64_t>(value));
  }
  mix(file.file_bytes());
  for (const std::string* text : {&passport.architecture, &passport.name, &passport.weight_type}) {
    for (const char c : *text) mix(static_cast<unsigned char>(c));
  }
  // A tuned copy has the same geometry and often the same name. The first layer is enough to tell, and of the file only
  // pages are read that the first token needs anyway.
  for (const GgufTensor& tensor : file.tensors()) {
    if (!tensor.name.starts_with("blk.0.") && tensor.name != "output.weight") continue;
    const std::size_t begin = tensor.data.size() / 2;
    mix(checksum(tensor.data.subspan(begin, std::min(kSampleBytes, tensor.data.size() - begin))));
  }
  return hash;
}

std::size_t state_header_bytes() noexcept { return sizeof(Header); }

State wrap_state(StateBytes payload, std::uint64_t fingerprint, std::int64_t position) {
  const std::span<const std::byte> body = std::span<const std::byte>(payload).subspan(sizeof(Header));
  const Header header{kMagic, kVersion, fingerprint, position, body.size(), checksum(body)};
  std::memcpy(payload.data(), &header, sizeof header);
  return State(std::move(payload), position);
}

std::span<const std::byte> unwrap_state(const State& state, std::uint64_t fingerprint) {
  const auto* data = state.as<HostState>();
  const std::span<const std::byte> bytes = data ? data->host() : std::span<const std::byte>();
  Header header{};
  if (bytes.size() >= sizeof header) std::memcpy(&header, bytes.data(), sizeof header);
  if (header.magic != kMagic || header.version != kVersion) {
    throw Error(ErrorCode::kInvalidArgument, "the state was not saved by this backend");
  }
  if (header.fingerprint != fingerprint) {
    throw Error(ErrorCode::kInvalidArgument, "the state belongs to another model");
  }
  const std::span<const std::byte> body = bytes.subspan(sizeof header);
  if (header.payload_bytes != body.size() || header.position != state.position() || header.checksum != checksum(body)) {
    throw Error(ErrorCode::kInvalidArgument, "the state is damaged");
  }
  return body;
}

void check_numbers(const StateTensors& numbers, const StateTensors& shape, std::int64_t position) {
  if (!numbers.has_shape_of(shape) || numbers.values.size() != numbers.layers * numbers.layer_values()) {
    throw Error(ErrorCode::kInvalidArgument, "the state has " + std::to_string(numbers.layers) + " layers of width " +
                                                 std::to_string(numbers.width) + ", not those of the model");
  }
  if (position < 0 || position > std::numeric_limits<std::int32_t>::max()) {
    throw Error(ErrorCode::kInvalidArgument, "a state cannot stand after " + std::to_string(position) + " tokens");
  }
}

}  // namespace rwkv
