// PyTorch checkpoints, the archive and what is in it.
#include "formats/pth.h"

#include "checkpoint.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace rwkv;
  fuzz::refuse_or_parse([&] { fuzz::use(parse_pth(fuzz::bytes_of(data, size), "input.pth")); });
  return 0;
}
