#include "formats/state_file.h"

#include <cstdint>
#include <cstring>

#include "base/atomic_file.h"
#include "base/checksum.h"
#include "base/mapped_file.h"
#include "formats/byte_reader.h"

namespace rwkv {
namespace {

constexpr std::string_view kMagic = "RWKVSTAT";
constexpr std::uint32_t kVersion = 1;

struct Header {
  char magic[8];
  std::uint32_t version;
  std::uint32_t token_count;
  std::uint64_t state_bytes;
  std::uint64_t checksum;  // of the header with 0 here, the tokens and the state
};
static_assert(sizeof(Header) == 32);

std::span<const std::byte> bytes_of(const Header& header) { return std::as_bytes(std::span(&header, 1)); }

std::uint64_t checksum_of(Header header, std::span<const std::byte> tokens, std::span<const std::byte> state) {
  header.checksum = 0;
  return checksum(state, checksum(tokens, checksum(bytes_of(header))));
}

}  // namespace

void write_state_file(const std::string& path, std::span<const TokenId> tokens, std::span<const std::byte> state) {
  Header header{};
  std::memcpy(header.magic, kMagic.data(), kMagic.size());
  header.version = kVersion;
  header.token_count = static_cast<std::uint32_t>(tokens.size());
  header.state_bytes = state.size();
  header.checksum = checksum_of(header, std::as_bytes(tokens), state);
  write_file_atomically(path, {bytes_of(header), std::as_bytes(tokens), state});
}

StateFile read_state_file(const std::string& path) { return parse_state_file(MappedFile(path).bytes(), path); }

StateFile parse_state_file(std::span<const std::byte> bytes, const std::string& name) {
  ByteReader reader(bytes, name);
  if (bytes.size() < kMagic.size() || std::memcmp(bytes.data(), kMagic.data(), kMagic.size()) != 0) {
    reader.fail("it is not a saved state: it does not begin with 'RWKVSTAT'");
  }
  const auto header = reader.read<Header>("the header");
  if (header.version != kVersion) {
    reader.fail("the state has version " + std::to_string(header.version) + ", this runtime reads version " +
                std::to_string(kVersion));
  }
  const auto tokens = reader.take(std::uint64_t{header.token_count} * sizeof(TokenId), "the token list");
  const auto state = reader.take(header.state_bytes, "the state");
  if (reader.remaining() != 0) reader.fail("something follows the state");
  if (header.checksum != checksum_of(header, tokens, state)) reader.fail("the checksum is wrong: the file was altered");
  StateFile result;
  result.tokens.resize(header.token_count);
  if (!result.tokens.empty()) std::memcpy(result.tokens.data(), tokens.data(), tokens.size());
  result.state.assign(state.begin(), state.end());
  return result;
}

}  // namespace rwkv
