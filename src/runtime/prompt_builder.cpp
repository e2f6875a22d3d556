#include "runtime/prompt_builder.h"

#include <algorithm>
#include <utility>

namespace rwkv {
namespace {

constexpr std::string_view kEndOfTextMark = "<EOD>";

void insert_sorted(std::vector<std::size_t>& places, std::size_t place) {
  const auto at = std::lower_bound(places.begin(), places.end(), place);
  if (at == places.end() || *at != place) places.insert(at, place);
}

}  // namespace

PromptBuilder::PromptBuilder(const Tokenizer& tokenizer, const ModelInfo& info, std::string vocabulary)
    : tokenizer_(tokenizer),
      width_(static_cast<std::size_t>(info.width)),
      takes_embeddings_(info.takes_embeddings),
      vocabulary_(std::move(vocabulary)) {}

Prompt PromptBuilder::chat(const ChatFormat& format, std::span<const ChatMessage> messages, bool generation_prompt,
                           bool reasoning) const {
  if (messages.empty()) throw Error(ErrorCode::kInvalidArgument, "a chat needs at least one message");
  ChatFormat used = format;
  used.flower = format.flower || wants_flower(format.prompt);
  const ChatText chat = format_chat(used, messages, generation_prompt, reasoning);
  Marked marked{chat.text, chat.prompt_bytes, chat.turn_ends, chat.media_marks, format.prompt_media};
  for (const ChatMessage& message : messages) {
    marked.media.insert(marked.media.end(), message.media.begin(), message.media.end());
  }
  Prompt prompt;
  encode(marked, prompt);
  prompt.reply = chat.text.substr(chat.reply_offset);
  prompt.resumes_answer = !generation_prompt && messages.back().role == "assistant";
  prompt.stops = stop_strings(used);
  return prompt;
}

Prompt PromptBuilder::completion(std::string_view text,
                                 std::span<const std::shared_ptr<const Embeddings>> media) const {
  const std::vector<std::size_t> marks = media_marks(text, 0, media.size());
  Prompt prompt;
  prompt.chat = false;
  encode({text, text.size(), {}, marks, {media.begin(), media.end()}}, prompt);
  return prompt;
}

void PromptBuilder::encode(const Marked& marked, Prompt& prompt) const {
  const std::size_t skipped = begin_with_initial_state(marked.text.substr(0, marked.trusted_bytes), prompt);
  std::size_t begin = skipped;
  for (std::size_t i = 0; i < marked.media_marks.size(); ++i) {
    encode_text(marked, begin, marked.media_marks[i], prompt.tokens);
    add_media(marked.media[i], prompt);
    begin = marked.media_marks[i] + 1;
  }
  encode_text(marked, begin, marked.text.size(), prompt.tokens);
  if (prompt.tokens.size() == static_cast<std::size_t>(prompt.start.position())) prompt.tokens.push_back(kEndOfText);
  prompt.turn_ends = token_counts(prompt, skipped, marked.turn_ends);
  // What was looked at or listened to is begun with again by other questions about it.
  for (const MediaPlace& place : prompt.media)
    insert_sorted(prompt.turn_ends, place.position + place.embeddings->rows());
}

// Only the host's own words may stand for token 0; in what users write the same letters are text.
void PromptBuilder::encode_text(const Marked& marked, std::size_t begin, std::size_t end, Tokens& tokens) const {
  while (true) {
    const std::size_t trusted_end = std::min(end, marked.trusted_bytes);
    const std::size_t mark = marked.text.substr(0, trusted_end).find(kEndOfTextMark, begin);
    const std::size_t stop = mark == std::string_view::npos ? end : mark;
    auto gap = tokenizer_.encode(marked.text.substr(begin, stop - begin), tokens);
    if (gap) {
      gap->offset += begin;
      throw Error(ErrorCode::kInvalidArgument, vocabulary_ + " has no token for " + gap->describe() +
                                                   " of the prompt: use only text this model was trained on");
    }
    if (mark == std::string_view::npos) return;
    tokens.push_back(kEndOfText);
    begin = mark + kEndOfTextMark.size();
  }
}

void PromptBuilder::add_media(const std::shared_ptr<const Embeddings>& embeddings, Prompt& prompt) const {
  if (!takes_embeddings_) {
    throw Error(ErrorCode::kUnsupported, "this model takes text alone, no pictures and no sound");
  }
  if (!embeddings || embeddings->rows() == 0 || embeddings->width() != width_) {
    throw Error(ErrorCode::kInvalidArgument, "what was encoded does not fit the model, which takes rows of " +
                                                 std::to_string(width_) +
                                                 " values; use the encoder and the adapter that were made for it");
  }
  prompt.media.push_back({prompt.tokens.size(), embeddings});
  for (std::size_t row = 0; row < embeddings->rows(); ++row) {
    prompt.tokens.push_back(media_token(embeddings->content(), row));
  }
}

// How many tokens the first so many bytes of the text are, for each of `bytes` (ascending) at which a token ends. The
// prompt's start stands for the first `skipped_bytes`.
std::vector<std::size_t> PromptBuilder::token_counts(const Prompt& prompt, std::size_t skipped_bytes,
                                                     std::span<const std::size_t> bytes) const {
  std::vector<std::size_t> counts;
  std::size_t at = skipped_bytes;
  auto wanted = std::upper_bound(bytes.begin(), bytes.end(), skipped_bytes);
  auto media = prompt.media.begin();
  const Tokens& tokens = prompt.tokens;
  for (auto i = static_cast<std::size_t>(prompt.start.position()); i < tokens.size() && wanted != bytes.end(); ++i) {
    if (media != prompt.media.end() && media->position == i) {
      at += 1;  // the mark
      i += media->embeddings->rows() - 1;
      ++media;
    } else {
      at += tokens[i] == kEndOfText ? kEndOfTextMark.size() : tokenizer_.bytes(tokens[i]).size();
    }
    while (wanted != bytes.end() && *wanted < at) ++wanted;
    if (wanted != bytes.end() && *wanted == at) counts.push_back(i + 1);
  }
  return counts;
}

bool PromptBuilder::knows_initial_state(const std::string& path) const {
  const std::lock_guard lock(mutex_);
  return initial_states_.contains(path);
}

void PromptBuilder::add_initial_state(const std::string& path, KnownInitialState initial) {
  const std::lock_guard lock(mutex_);
  initial_states_.emplace(path, std::move(initial));
}

std::optional<Tokens> PromptBuilder::remove_initial_state(const std::string& path) {
  const std::lock_guard lock(mutex_);
  auto removed = initial_states_.extract(path);
  if (removed.empty()) return std::nullopt;
  return std::move(removed.mapped().key);
}

// The one whose tag the text begins with, or null. The caller holds the mutex.
const KnownInitialState* PromptBuilder::find_initial_state(std::string_view text) const {
  for (const auto& [path, initial] : initial_states_) {
    if (text.starts_with(initial.tag)) return &initial;
  }
  return nullptr;
}

// The number of bytes at the beginning of `text` that an initial state stands for.
std::size_t PromptBuilder::begin_with_initial_state(std::string_view text, Prompt& prompt) const {
  const std::lock_guard lock(mutex_);
  const KnownInitialState* const initial = find_initial_state(text);
  if (initial == nullptr) return 0;
  prompt.tokens = initial->key;
  prompt.start = initial->state;
  return initial->tag.size();
}

bool PromptBuilder::wants_flower(std::string_view prompt) const {
  const std::lock_guard lock(mutex_);
  const KnownInitialState* const initial = find_initial_state(prompt);
  return initial != nullptr && initial->flower;
}

}  // namespace rwkv
