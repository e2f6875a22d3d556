// Whisper encoders with an adapter, as whisper.cpp's files.
#include "formats/whisper_ggml.h"

#include "target.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace rwkv;
  fuzz::refuse_or_parse([&] {
    const WhisperGgmlFile file = parse_whisper_ggml(fuzz::bytes_of(data, size), "input.bin");
    for (const auto& [name, tensor] : file.tensors) fuzz::touch(tensor.data);
  });
  return 0;
}
