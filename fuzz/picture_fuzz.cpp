// Pictures of every kind, header and pixels.
#include "media/picture.h"

#include "target.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace rwkv;
  fuzz::refuse_or_parse([&] {
    const auto bytes = fuzz::bytes_of(data, size);
    const PictureSize expected = picture_size(bytes, "picture");
    // A large one takes the memory that it may, and the fuzzer too long.
    if (std::int64_t{expected.width} * expected.height > 1'000'000) return;
    const Picture picture = decode_picture(bytes, "picture");
    fuzz::require(picture.size() == expected, "the size in the header is that of the picture");
    fuzz::touch(std::as_bytes(std::span(picture.rgb)));
  });
  return 0;
}
