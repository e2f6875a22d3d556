#include "formats/foreign_state.h"

#include <cstring>
#include <string>

#include "base/error.h"
#include "formats/byte_reader.h"
#include "formats/ggml_type.h"

namespace rwkv {
namespace {

// Magic, sequence (older versions have neither), number of cells; for each cell its position, the number of sequence
// ids (0 when a single sequence is saved) and these; a flag, the number of layers; then for each layer the shifted
// inputs and for each layer the wkv matrices, each as type, bytes a cell, and the cells' values.
constexpr std::size_t kCellsAt = 8;
constexpr std::size_t kPositionAt = 12;

const std::string kName = "a state of ggml's kind";

// Where the values of each layer are, first the shifted inputs and then the matrices.
struct Places {
  std::vector<std::size_t> shifts;
  std::vector<std::size_t> matrices;
};

Places find_places(std::span<const std::byte> bytes, const StateTensors& shape) {
  ByteReader reader(bytes, kName);
  // The magic is no number of cells that a single sequence could have.
  auto cells = reader.read<std::uint32_t>("the head");
  if (cells != 1) {
    reader.take(kCellsAt - sizeof cells, "the head");
    cells = reader.read<std::uint32_t>("the number of cells");
  }
  if (cells != 1) reader.fail("it has " + std::to_string(cells) + " cells, not the one of a sequence");
  reader.take(sizeof(std::int32_t), "the position");
  const auto ids = reader.read<std::uint32_t>("the number of sequences");
  reader.take(std::uint64_t{ids} * sizeof(std::int32_t), "the sequences");
  if (reader.read<std::uint32_t>("the flag") != 0) reader.fail("the matrices are transposed, which no RWKV model is");
  if (const auto layers = reader.read<std::uint32_t>("the number of layers"); layers != shape.layers) {
    reader.fail("it has " + std::to_string(layers) + " layers, the model has " + std::to_string(shape.layers));
  }
  const auto take_layers = [&](std::uint64_t values, std::vector<std::size_t>& places) {
    for (std::uint32_t layer = 0; layer < shape.layers; ++layer) {
      if (const auto type = reader.read<std::int32_t>("a type"); type != static_cast<std::int32_t>(GgmlType::kF32)) {
        reader.fail("the values are of ggml's type " + std::to_string(type) + ", not F32");
      }
      const auto size = reader.read<std::uint64_t>("the bytes a cell");
      if (size != values * sizeof(float)) {
        reader.fail("a layer has " + std::to_string(size) + " bytes, not " + std::to_string(values * sizeof(float)));
      }
      places.push_back(reader.offset());
      reader.take(size, "a layer");
    }
  };
  Places places;
  take_layers(2 * std::uint64_t{shape.width}, places.shifts);
  take_layers(shape.matrix_values(), places.matrices);
  if (reader.remaining() != 0) reader.fail("something follows the last layer");
  return places;
}

}  // namespace

StateTensors read_foreign_state(std::span<const std::byte> bytes, const StateTensors& shape) {
  const Places places = find_places(bytes, shape);
  StateTensors tensors = shape;
  const std::size_t shifts = 2 * std::size_t{shape.width};
  const auto matrices = static_cast<std::size_t>(shape.matrix_values());
  tensors.values.resize(shape.layers * (shifts + matrices));
  float* to = tensors.values.data();
  for (std::size_t layer = 0; layer < shape.layers; ++layer) {
    std::memcpy(to, bytes.data() + places.shifts[layer], shifts * sizeof(float));
    std::memcpy(to += shifts, bytes.data() + places.matrices[layer], matrices * sizeof(float));
    to += matrices;
  }
  return tensors;
}

void write_foreign_state(const StateTensors& tensors, std::int64_t position, std::span<std::byte> zero) {
  const Places places = find_places(zero, tensors);
  const auto at = static_cast<std::int32_t>(position);
  std::memcpy(zero.data() + kPositionAt, &at, sizeof at);
  const std::size_t shifts = 2 * std::size_t{tensors.width};
  const auto matrices = static_cast<std::size_t>(tensors.matrix_values());
  const float* from = tensors.values.data();
  for (std::size_t layer = 0; layer < tensors.layers; ++layer) {
    std::memcpy(zero.data() + places.shifts[layer], from, shifts * sizeof(float));
    std::memcpy(zero.data() + places.matrices[layer], from += shifts, matrices * sizeof(float));
    from += matrices;
  }
}

// Packed: magic, version, whether there is a last token, that token, the sizes of two states: the one before the last
// token and the one after it. Anything else is taken as the latter alone.
ForeignState parse_foreign_state(std::span<const std::byte> bytes, std::span<const TokenId> tokens) {
  constexpr std::uint32_t kMagic = 0x5350524C;
  ByteReader reader(bytes, kName);
  if (bytes.size() < sizeof kMagic || reader.read<std::uint32_t>("the magic") != kMagic) return {bytes, tokens.size()};
  if (const auto version = reader.read<std::uint32_t>("the version"); version != 1) {
    reader.fail("its version is " + std::to_string(version) + ", not 1");
  }
  const bool has_last = reader.read<std::uint8_t>("the flag") != 0;
  const auto last = reader.read<std::int32_t>("the last token");
  const auto before_bytes = reader.read<std::uint64_t>("the size of the state before the last token");
  const auto after_bytes = reader.read<std::uint64_t>("the size of the state");
  const auto before = reader.take(before_bytes, "the state before the last token");
  const auto after = reader.take(after_bytes, "the state");
  if (reader.remaining() != 0) reader.fail("something follows the states");
  if (has_last && (tokens.empty() || last != tokens.back())) reader.fail("its last token is not that of its tokens");
  if (has_last && tokens.size() > 1 && !before.empty()) return {before, tokens.size() - 1};
  return {after, tokens.size()};
}

}  // namespace rwkv
