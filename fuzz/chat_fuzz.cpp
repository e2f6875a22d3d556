// The text of a chat, and its tokens: the input is cut at zero bytes into roles and contents.
#include "runtime/chat_template.h"
#include "target.h"
#include "text/tokenizer.h"

namespace {

// Every byte is a token, and some longer ones overlap.
rwkv::Tokenizer byte_tokenizer() {
  std::string text;
  int id = 1;
  for (int byte = 0; byte < 256; ++byte) {
    char code[32];
    std::snprintf(code, sizeof code, "%d b'\\x%02x' 1\n", id++, static_cast<unsigned>(byte));
    text += code;
  }
  for (const char* word : {"\\n\\n", "User", "User:", " <think", "think>", "Ass", "istant"}) {
    const std::size_t escapes = word[0] == '\\' ? 2 : 0;
    const std::size_t length = std::string_view(word).size() - escapes;
    text += std::to_string(id++) + " '" + word + "' " + std::to_string(length) + "\n";
  }
  return rwkv::Tokenizer(rwkv::Vocabulary::from_text(text, "bytes"));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace rwkv;
  static const Tokenizer tokenizer = byte_tokenizer();
  if (size == 0) return 0;
  const std::uint8_t flags = data[0];
  std::vector<std::string> parts(1);
  for (const char c : fuzz::text_of(data + 1, size - 1)) {
    if (c == '\0') {
      parts.emplace_back();
    } else {
      parts.back() += c;
    }
  }
  ChatFormat format;
  if ((flags & 1u) != 0) format.prompt = parts[0];
  if ((flags & 2u) != 0) format.eos = parts.back();
  if ((flags & 4u) != 0) format.user_role = parts[parts.size() / 2];
  format.space_after_roles = (flags & 8u) != 0;
  format.flower = (flags & 128u) != 0;
  std::vector<ChatMessage> messages = alternate_roles(parts);
  if ((flags & 16u) != 0) messages.front().role = "system";
  fuzz::refuse_or_parse([&] {
    const ChatText chat = format_chat(format, messages, (flags & 32u) != 0, (flags & 64u) != 0);
    fuzz::require(chat.reply_offset <= chat.text.size() && chat.prompt_bytes <= chat.text.size(), "offsets lie within");
    for (const std::string& stop : stop_strings(format)) fuzz::require(!stop.empty(), "no stop string is empty");
    Tokens tokens;
    fuzz::require(!tokenizer.encode(chat.text, tokens), "each byte has a token");
    fuzz::require(tokenizer.decode(tokens) == chat.text, "decoding gives back the text");
  });
  return 0;
}
