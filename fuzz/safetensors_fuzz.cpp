// safetensors and the plan of its conversion.
#include "formats/safetensors.h"

#include "checkpoint.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace rwkv;
  fuzz::refuse_or_parse([&] { fuzz::use(parse_safetensors(fuzz::bytes_of(data, size), "input.safetensors")); });
  return 0;
}
