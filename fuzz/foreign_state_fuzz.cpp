#include "formats/foreign_state.h"

#include <array>
#include <cstring>
#include <vector>

#include "target.h"

// The number of tokens comes first, then what the existing engine saved after them for a model of two small layers.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace rwkv;
  if (size == 0) return 0;
  constexpr std::array<TokenId, 3> kTokens{5, 300, 7};
  const std::span tokens = std::span(kTokens).first(data[0] % (kTokens.size() + 1));
  const StateTensors shape{2, 4, 1, 4, {}};
  fuzz::refuse_or_parse([&] {
    const ForeignState state = parse_foreign_state(fuzz::bytes_of(data + 1, size - 1), tokens);
    fuzz::require(state.bytes.size() < size, "a state is no larger than the whole");
    fuzz::require(state.tokens <= tokens.size() && tokens.size() - state.tokens <= 1, "at most one token is left out");
    fuzz::touch(state.bytes);
    const StateTensors tensors = read_foreign_state(state.bytes, shape);
    fuzz::require(tensors.values.size() == tensors.layers * tensors.layer_values(), "a state has all its values");

    std::vector<std::byte> written(state.bytes.begin(), state.bytes.end());
    write_foreign_state(tensors, 0, written);
    const StateTensors again = read_foreign_state(written, shape);
    fuzz::require(std::memcmp(again.values.data(), tensors.values.data(), tensors.values.size() * sizeof(float)) == 0,
                  "what is written is read");
  });
  return 0;
}
