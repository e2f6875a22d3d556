#include "backends/llama_cpp/sequence_state.h"

#include <cstring>
#include <string>

#include "base/error.h"
#include "formats/byte_reader.h"

namespace rwkv::llama_cpp {
namespace {

// The form that formats/foreign_state.cpp describes.
constexpr std::size_t kCellsAt = 8;
constexpr std::size_t kMetaAt = 12;
constexpr std::size_t kMetaBytes = 8;

const std::string kName = "llama.cpp's form of a state";

void append(std::vector<std::uint8_t>& to, std::span<const std::byte> bytes) {
  const auto* begin = reinterpret_cast<const std::uint8_t*>(bytes.data());
  to.insert(to.end(), begin, begin + bytes.size());
}

template <class T>
T value_at(std::span<const std::uint8_t> bytes, std::size_t offset) {
  T value;
  std::memcpy(&value, bytes.data() + offset, sizeof value);
  return value;
}

}  // namespace

std::vector<std::uint8_t> empty_state(llama_context* context, llama_seq_id id) {
  std::vector<std::uint8_t> empty(llama_state_seq_get_size(context, id));
  empty.resize(llama_state_seq_get_data(context, empty.data(), empty.size(), id));
  return empty;
}

std::vector<std::uint8_t> zero_state(std::span<const std::uint8_t> empty) {
  try {
    ByteReader reader(std::as_bytes(empty), kName);
    std::vector<std::uint8_t> zero;
    append(zero, reader.take(kCellsAt, "the head"));
    if (reader.read<std::uint32_t>("the number of cells") != 0) reader.fail("the sequence is not empty");
    zero.insert(zero.end(), {1, 0, 0, 0});
    zero.resize(zero.size() + kMetaBytes, 0);
    append(zero, reader.take(8, "flag and number of layers"));
    while (reader.remaining() > 0) {
      append(zero, reader.take(4, "a type"));
      const auto length = reader.take(8, "the bytes a cell");
      append(zero, length);
      std::uint64_t bytes;
      std::memcpy(&bytes, length.data(), sizeof bytes);
      zero.resize(zero.size() + static_cast<std::size_t>(bytes), 0);
    }
    return zero;
  } catch (const Error& error) {
    throw Error(ErrorCode::kInternal, error.what());
  }
}

bool is_sequence_state(std::span<const std::uint8_t> bytes, std::int64_t position) {
  return bytes.size() >= kMetaAt + kMetaBytes && value_at<std::uint32_t>(bytes, kCellsAt) == 1 &&
         value_at<llama_pos>(bytes, kMetaAt) == position && value_at<std::uint32_t>(bytes, kMetaAt + 4) == 0;
}

}  // namespace rwkv::llama_cpp
