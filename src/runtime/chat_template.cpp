#include "runtime/chat_template.h"

#include "base/error.h"
#include "runtime/remembered_answer.h"

namespace rwkv {
namespace {

std::string_view role_text(const ChatFormat& format, const std::string& role) {
  if (role == "user") return format.user_role;
  if (role == "assistant") return format.response_role;
  if (role == "system") return format.system_role;
  return role;
}

bool is_blank(char c) { return c == ' ' || c == '\t' || c == '\v' || c == '\f'; }
bool is_space(char c) { return is_blank(c) || c == '\n' || c == '\r'; }

// One byte more of a message. A line that is blank so far is dropped where the next one begins.
void append_to_turn(char c, char line_break, std::string& text) {
  if (text.empty() && is_space(c)) return;
  if (c != '\n' && c != '\r') {
    text += c;
    return;
  }
  std::size_t end = text.size();
  while (end > 0 && is_blank(text[end - 1])) --end;
  if (end > 0 && text[end - 1] == '\n') {
    text.resize(end);
  } else {
    text += line_break;
  }
}

// What somebody says, so that it stays one turn: no blank lines, no white space at its ends, nothing that begins or
// ends turns in this format. One pass, and what has been kept never breaks these rules, so nothing new can come of what
// is taken out.
std::string within_turn(const ChatFormat& format, std::string_view content) {
  const std::string_view marks[] = {format.eos, format.bos};
  const char line_break = format.eos == "\n" || format.bos == "\n" ? ' ' : '\n';
  std::string text;
  text.reserve(content.size());
  for (const char c : content) {
    append_to_turn(c, line_break, text);
    for (const std::string_view mark : marks) {
      if (!mark.empty() && text.ends_with(mark)) text.resize(text.size() - mark.size());
    }
  }
  while (!text.empty() && is_space(text.back())) text.pop_back();
  return text;
}

// Up to where the content or the reply begins; `first` of the text's messages.
void begin_turn(const ChatFormat& format, std::string_view role, bool first, std::string& text) {
  if (format.flower && !first) text += '\n';
  text.append(format.bos).append(role).append(format.flower ? format.eos : ":");
}

}  // namespace

std::vector<ChatMessage> alternate_roles(std::span<const std::string> contents) {
  std::vector<ChatMessage> messages;
  messages.reserve(contents.size());
  for (std::size_t i = 0; i < contents.size(); ++i) {
    messages.push_back({i % 2 == 0 ? "user" : "assistant", contents[i], {}});
  }
  return messages;
}

std::vector<std::size_t> media_marks(std::string_view text, std::size_t begin, std::size_t count) {
  std::vector<std::size_t> marks;
  if (count == 0) return marks;
  while ((begin = text.find(kMediaMark, begin)) != std::string_view::npos) marks.push_back(begin++);
  if (marks.size() == count) return marks;
  throw Error(ErrorCode::kInvalidArgument, "there are " + std::to_string(count) + " pictures or recordings and " +
                                               std::to_string(marks.size()) +
                                               " places for them in the text; give one place for each");
}

ChatText format_chat(const ChatFormat& format, std::span<const ChatMessage> messages, bool generation_prompt,
                     bool reasoning) {
  const std::string_view pad = format.space_after_roles ? " " : "";
  ChatText chat;
  std::string& text = chat.text;
  text = format.prompt;
  chat.prompt_bytes = text.size();
  chat.media_marks = media_marks(text, 0, format.prompt_media.size());
  if (!text.empty()) chat.turn_ends.push_back(text.size());

  for (std::size_t i = 0; i < messages.size(); ++i) {
    const std::string_view role = role_text(format, messages[i].role);
    // A turn of an empty role is its content alone (audio questions rely on it).
    if (!role.empty()) begin_turn(format, role, i == 0, text);
    chat.reply_offset = text.size();
    if (!role.empty() && !format.flower) text += pad;
    const bool is_open = i + 1 == messages.size() && !generation_prompt;
    if (is_open && !messages[i].media.empty() && messages[i].role == "assistant") {
      throw Error(ErrorCode::kInvalidArgument, "an answer with pictures or recordings in it cannot be continued");
    }
    const std::size_t begin = text.size();
    if (messages[i].role != "assistant") {
      text += within_turn(format, messages[i].content);
    } else {
      text += is_open ? std::string_view(messages[i].content) : remembered_answer(messages[i].content);
    }
    const std::vector<std::size_t> marks = media_marks(text, begin, messages[i].media.size());
    chat.media_marks.insert(chat.media_marks.end(), marks.begin(), marks.end());
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
  if (last == format.response_role && last != format.user_role) {
    begin_turn(format, format.user_role, false, text);
    chat.reply_offset = text.size();
  } else {
    begin_turn(format, format.response_role, false, text);
    chat.reply_offset = text.size();
    if (reasoning && !format.thinking_token.empty()) text.append(pad).append(format.thinking_token);
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
