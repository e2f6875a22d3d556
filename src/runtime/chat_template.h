// The text a chat becomes before it is tokenised.
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace rwkv {

class Embeddings;

/// Stands in a content where a picture or a recording is: a byte that no UTF-8 has.
inline constexpr char kMediaMark = '\xFF';

struct ChatMessage {
  /// "user", "assistant" and "system" stand for the roles of ChatFormat; any other word is written as it is.
  std::string role;
  std::string content;
  /// One for each kMediaMark of the content, in their order. Without any, that byte is text like others.
  std::vector<std::shared_ptr<const Embeddings>> media = {};
};

/// How a model wants its conversations written. The defaults are those of the RWKV World models.
struct ChatFormat {
  std::string prompt;  // stands verbatim before the first message
  /// One for each kMediaMark of the prompt, as in ChatMessage.
  std::vector<std::shared_ptr<const Embeddings>> prompt_media = {};
  std::string user_role = "User";
  std::string response_role = "Assistant";
  std::string system_role = "System";
  std::string bos;           // before each role
  std::string eos = "\n\n";  // after each message; also ends an answer
  std::string thinking_token = "<think";
  bool space_after_roles = true;
  /// Flower form: the eos text takes the place of the colon after a role, nothing pads it, and each later role stands
  /// on a line of its own: with the eos `✿`, `User✿Hi✿\nBot✿`.
  bool flower = false;
};

struct ChatText {
  std::string text;
  /// text[reply_offset..] is the part of the reply that is there already: empty, the thinking token, or the partial
  /// answer that is being resumed.
  std::size_t reply_offset = 0;
  /// Bytes at the start that the host wrote (the prompt), in which `<EOD>` stands for token 0.
  std::size_t prompt_bytes = 0;
  /// Bytes after which the prompt or a message has ended, ascending.
  std::vector<std::size_t> turn_ends;
  /// Where the marks of the messages' media are, ascending.
  std::vector<std::size_t> media_marks;
};

/// Roles for a plain list of contents: user first, then taking turns.
std::vector<ChatMessage> alternate_roles(std::span<const std::string> contents);

/// Where the marks of `count` pictures and recordings stand in `text` from `begin` on, ascending. Throws
/// Error(kInvalidArgument) for another number of marks; where `count` is 0, that byte is text like others.
std::vector<std::size_t> media_marks(std::string_view text, std::size_t begin, std::size_t count);

/// With `generation_prompt` the text ends where the other side begins to answer (after an assistant message the user,
/// else the assistant); without it the last message is left open to be continued. `reasoning` adds the thinking token
/// where the assistant begins. No message but the assistant's can make a turn: line breaks become LF; blank lines,
/// white space at the ends and the format's own bos and eos go (ARCHITECTURE.md, Decisions). Throws
/// Error(kInvalidArgument) where a message has not one mark for each of its media, and for media in an answer that is
/// to be continued.
ChatText format_chat(const ChatFormat& format, std::span<const ChatMessage> messages, bool generation_prompt,
                     bool reasoning);

/// What ends an answer in this format, as bytes: the eos text and, where a blank line is the eos, the role markers that
/// a model writes when it goes on with the other side. Empty for an empty eos text.
std::vector<std::string> stop_strings(const ChatFormat& format);

}  // namespace rwkv
