// GGUF, the passport and the token list.
#include "formats/gguf.h"

#include "formats/rwkv_passport.h"
#include "target.h"
#include "text/tokenizer.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace rwkv;
  fuzz::refuse_or_parse([&] {
    const GgufFile file = GgufFile::parse(fuzz::bytes_of(data, size), "input.gguf");
    for (const auto& [key, value] : file.metadata()) {
      file.strings(key);
      file.integers(key);
    }
    for (const GgufTensor& tensor : file.tensors()) {
      fuzz::touch(tensor.data);
      tensor.describe();
    }
    const RwkvPassport passport = check_rwkv_model(file);
    const Tokenizer tokenizer(Vocabulary::from_gguf_tokens(passport.token_texts, passport.token_types));
    Tokens tokens;
    tokenizer.encode("User: a\n\n", tokens);
  });
  return 0;
}
