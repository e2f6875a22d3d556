#include "backends/native/blocks.h"

#include <bit>
#include <cstring>

#include "formats/floats.h"

namespace rwkv::native {
namespace {

std::uint8_t byte_at(const std::byte* at) { return std::to_integer<std::uint8_t>(*at); }

std::uint16_t half_at(const std::byte* at) {
  return static_cast<std::uint16_t>(byte_at(at) | byte_at(at + 1) << 8);  // little-endian, as all of the file
}

// The types whose blocks are eight of ours; offsets are those of ggml-common.h.
constexpr std::size_t kQ4KBytes = 144;
constexpr std::size_t kQ5KBytes = 176;
constexpr std::size_t kQ6KBytes = 210;

// Six bits each: a factor of the scale and one of the minimum for each of eight blocks.
void read_factors(const std::byte* packed, std::size_t block, std::uint8_t (&factors)[2]) {
  const auto at = [&](std::size_t i) { return static_cast<unsigned>(byte_at(packed + i)); };
  if (block < 4) {
    factors[0] = static_cast<std::uint8_t>(at(block) & 63);
    factors[1] = static_cast<std::uint8_t>(at(block + 4) & 63);
  } else {
    factors[0] = static_cast<std::uint8_t>((at(block + 4) & 15) | at(block - 4) >> 6 << 4);
    factors[1] = static_cast<std::uint8_t>(at(block + 4) >> 4 | at(block) >> 6 << 4);
  }
}

RowBlock read_q8_0(const std::byte* block) {
  RowBlock out{{}, half_at(block), 0, {}};
  for (std::size_t i = 0; i < kBlock; ++i) out.values[i] = byte_at(block + 2 + i) ^ 128;
  return out;
}

RowBlock read_q4_0(const std::byte* block) {
  RowBlock out{{}, half_at(block), 0, {}};
  for (std::size_t i = 0; i < kBlock / 2; ++i) {
    out.values[i] = byte_at(block + 2 + i) & 15;
    out.values[i + kBlock / 2] = byte_at(block + 2 + i) >> 4;
  }
  return out;
}

// Two blocks share their bytes: one has the lower halves. `high`: null, or a byte a column with a bit a block.
RowBlock read_q45_k(const std::byte* super, const std::byte* high, const std::byte* low, std::size_t block) {
  RowBlock out{{}, half_at(super), half_at(super + 2), {}};
  read_factors(super + 4, block, out.factors);
  for (std::size_t i = 0; i < kBlock; ++i) {
    const unsigned pair = byte_at(low + block / 2 * kBlock + i);
    const unsigned fifth = high == nullptr ? 0u : unsigned{byte_at(high + i)} >> block & 1u;
    out.values[i] = static_cast<std::uint8_t>((block % 2 == 0 ? pair & 15u : pair >> 4) | fifth << 4);
  }
  return out;
}

RowBlock read_q6_k(const std::byte* super, std::size_t block) {
  const std::size_t half = block / 4;  // of the superblock
  const std::size_t part = block % 4;  // of the half
  const std::byte* low = super + half * 64 + part % 2 * kBlock;
  const std::byte* high = super + 128 + half * 32;
  RowBlock out{{}, half_at(super + 208), 0, {}};
  for (std::size_t i = 0; i < 2; ++i) out.factors[i] = byte_at(super + 192 + half * 8 + part * 2 + i);
  for (std::size_t i = 0; i < kBlock; ++i) {
    const unsigned four = part < 2 ? byte_at(low + i) & 15u : byte_at(low + i) >> 4;
    out.values[i] = static_cast<std::uint8_t>(four | (unsigned{byte_at(high + i)} >> 2 * part & 3u) << 4);
  }
  return out;
}

}  // namespace

std::optional<Packing> packing_of(GgmlType type) noexcept {
  switch (type) {
    case GgmlType::kF32: return Packing::kF32;
    case GgmlType::kF16: return Packing::kF16;
    case GgmlType::kBF16: return Packing::kBF16;
    case GgmlType::kQ8_0: return Packing::kQ8_0;
    case GgmlType::kQ4_0: return Packing::kQ4_0;
    case GgmlType::kQ4_K: return Packing::kQ4_K;
    case GgmlType::kQ5_K: return Packing::kQ5_K;
    case GgmlType::kQ6_K: return Packing::kQ6_K;
    default: return std::nullopt;
  }
}

int offset_of(Packing packing) noexcept {
  switch (packing) {
    case Packing::kQ8_0: return 128;
    case Packing::kQ4_0: return 8;
    case Packing::kQ6_K: return 32;
    default: return 0;
  }
}

RowBlock read_block(Packing packing, const std::byte* row, std::size_t index) noexcept {
  const std::size_t super = index / 8;
  switch (packing) {
    case Packing::kQ8_0: return read_q8_0(row + index * 34);
    case Packing::kQ4_0: return read_q4_0(row + index * 18);
    case Packing::kQ4_K: {
      const std::byte* at = row + super * kQ4KBytes;
      return read_q45_k(at, nullptr, at + 16, index % 8);
    }
    case Packing::kQ5_K: {
      const std::byte* at = row + super * kQ5KBytes;
      return read_q45_k(at, at + 16, at + 48, index % 8);
    }
    case Packing::kQ6_K: return read_q6_k(row + super * kQ6KBytes, index % 8);
    default: return {};
  }
}

float half_to_float(std::uint16_t half) noexcept {
  const std::byte bytes[2] = {static_cast<std::byte>(half & 255), static_cast<std::byte>(half >> 8)};
  float value = 0;
  decode_floats(DataType::kF16, bytes, {&value, 1});
  return value;
}

void read_row(Packing packing, const std::byte* row, std::size_t columns, float* out) noexcept {
  switch (packing) {
    case Packing::kF32: return decode_floats(DataType::kF32, row, {out, columns});
    case Packing::kF16: return decode_floats(DataType::kF16, row, {out, columns});
    case Packing::kBF16: return decode_floats(DataType::kBF16, row, {out, columns});
    default: break;
  }
  const bool has_factors = packing != Packing::kQ8_0 && packing != Packing::kQ4_0;
  for (std::size_t b = 0; b < columns / kBlock; ++b) {
    const RowBlock block = read_block(packing, row, b);
    const float scale = half_to_float(block.scale);
    for (std::size_t i = 0; i < kBlock; ++i) {
      const auto value = static_cast<float>(int{block.values[i]} - offset_of(packing));
      float factor = scale;
      float minimum = 0;
      if (packing == Packing::kQ6_K) {
        factor *= static_cast<float>(static_cast<std::int8_t>(block.factors[i / (kBlock / 2)]));
      } else if (has_factors) {
        factor *= static_cast<float>(block.factors[0]);
        minimum = half_to_float(block.minimum) * static_cast<float>(block.factors[1]);
      }
      out[b * kBlock + i] = factor * value - minimum;
    }
  }
}

}  // namespace rwkv::native
