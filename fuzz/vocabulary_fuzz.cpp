// World vocabulary files, and the tokenizer made of them.
#include "text/vocabulary.h"

#include "target.h"
#include "text/tokenizer.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace rwkv;
  const std::string_view text = fuzz::text_of(data, size);
  fuzz::refuse_or_parse([&] {
    const Tokenizer tokenizer(Vocabulary::from_text(text, "input.txt"));
    Tokens tokens;
    const auto gap = tokenizer.encode(text, tokens);
    const std::string decoded = tokenizer.decode(tokens);
    fuzz::require(gap ? decoded.size() < text.size() : decoded == text, "decoding gives back what encoding took");
  });
  return 0;
}
