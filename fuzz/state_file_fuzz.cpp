#include "formats/state_file.h"

#include "target.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace rwkv;
  fuzz::refuse_or_parse([&] {
    const StateFile state = parse_state_file(fuzz::bytes_of(data, size), "input.state");
    fuzz::require(state.tokens.size() * sizeof(TokenId) + state.tensors.values.size() * 2 <= size,
                  "parts are no larger than the whole");
  });
  fuzz::refuse_or_parse([&] {
    const OldStateFile state = parse_old_state_file(fuzz::bytes_of(data, size), "input.state");
    fuzz::require(state.tokens.size() * sizeof(TokenId) + state.state.size() <= size,
                  "parts are no larger than the whole");
  });
  return 0;
}
