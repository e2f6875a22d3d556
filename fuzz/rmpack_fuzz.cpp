#include "formats/rmpack.h"

#include "target.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace rwkv;
  fuzz::refuse_or_parse([&] {
    const RmpackFile file = parse_rmpack(fuzz::bytes_of(data, size), "input.rmpack");
    for (const RmpackFile::Blob& blob : file.blobs) fuzz::touch(blob.data);
    file.number("hidden_size", 0);
    file.flag("flower_template");
  });
  return 0;
}
