#include "runtime/chat_template.h"

namespace rwkv {
namespace {

std::string_view role_text(const ChatFormat& format, const std::string& role) {
  if (role == "user") return format.user_role;
  if (role == "assistant") return format.response_role;
  if (role == "system") return format.system_role;
  return role;
}

// CR LF becomes LF, then from left to right each pair of newlines becomes one. The result is not scanned again: that is
// what the models' clients count tokens by.
std::string without_blank_lines(std::string_view content) {
  std::string lines;
  lines.reserve(content.size());
  for (std::size_t i = 0; i < content.size(); ++i) {
    if (content[i] == '\r' && i + 1 < content.size() && content[i + 1] == '\n') continue;
    lines += content[i];
  }
  std::string out;
  out.reserve(lines.size());
  for (std::size_t i = 0; i < lines.size(); ++i) {
    out += lines[i];
    if (lines[i] == '\n' && i + 1 < lines.size() && lines[i + 1] == '\n') ++i;
  }
  return out;
}

// Up to where the content or the reply begins; `first` of the text's messages.
void begin_turn(const ChatFormat& format, std::string_view role, bool first, std::string& text) {
  if (format.flower && !first) text += '\n';
  text.append(format.bos).append(role).append(format.flower ? format.eos : ":");
}

bool gives_instructions(const std::string& role) {
  return role == "user" || role == "system" || role == "User" || role == "System";
}

}  // namespace

std::vector<ChatMessage> alternate_roles(std::span<const std::string> contents) {
  std::vector<ChatMessage> messages;
  messages.reserve(contents.size());
  for (std::size_t i = 0; i < contents.size(); ++i) {
    messages.push_back({i % 2 == 0 ? "user" : "assistant", contents[i]});
  }
  return messages;
}

ChatText format_chat(const ChatFormat& format, std::span<const ChatMessage> messages, bool generation_prompt,
                     bool reasoning) {
  const std::string_view pad = format.space_after_roles ? " " : "";
  ChatText chat;
  std::string& text = chat.text;
  text = format.prompt;
  chat.prompt_bytes = text.size();
  if (!text.empty()) chat.turn_ends.push_back(text.size());

  for (std::size_t i = 0; i < messages.size(); ++i) {
    const std::string_view role = role_text(format, messages[i].role);
    // A turn of an empty role is its content alone (audio questions rely on it).
    if (!role.empty()) begin_turn(format, role, i == 0, text);
    chat.reply_offset = text.size();
    if (!role.empty() && !format.flower) text += pad;
    if (gives_instructions(messages[i].role)) {
      text += without_blank_lines(messages[i].content);
    } else {
      text += messages[i].content;
    }
    if (i + 1 == messages.size()) continue;
    text += format.eos;
    chat.turn_ends.push_back(text.size());
  }
  if (messages.empty()) {
    chat.reply_offset = text.size();
    return chat;
  }
  if (!generation_prompt) return chat;

  text += format.eos;
  chat.turn_ends.push_back(text.size());
  const std::string_view last = role_text(format, messages.back().role);
  if (last == format.user_role) {
    begin_turn(format, format.response_role, false, text);
    chat.reply_offset = text.size();
    if (reasoning && !format.thinking_token.empty()) text.append(pad).append(format.thinking_token);
  } else if (last == format.response_role) {
    begin_turn(format, format.user_role, false, text);
    chat.reply_offset = text.size();
  } else {
    chat.reply_offset = text.size();
  }
  return chat;
}

std::vector<std::string> stop_strings(const ChatFormat& format) {
  if (format.eos.empty()) return {};
  std::vector<std::string> stops{format.eos};
  if (format.eos == "\n\n") {
    for (const std::string* role : {&format.user_role, &format.response_role}) {
      if (!role->empty()) stops.push_back("\n" + *role + ":");
    }
  }
  return stops;
}

}  // namespace rwkv
