// web-rwkv's .prefab and the plan of its conversion.
#include "formats/prefab.h"

#include "checkpoint.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace rwkv;
  fuzz::refuse_or_parse([&] { fuzz::use(parse_prefab(fuzz::bytes_of(data, size), "input.prefab")); });
  return 0;
}
