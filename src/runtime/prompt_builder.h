// Prompts: what is to be read, from texts, tuned initial states and media.
#pragma once

#include <cstddef>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "engine/model.h"
#include "engine/state.h"
#include "runtime/chat_template.h"
#include "runtime/generation.h"
#include "runtime/media.h"
#include "text/tokenizer.h"

namespace rwkv {

/// A tuned initial state (initial_state.h) that prompts may begin with.
struct KnownInitialState {
  std::string tag;  // what stands for it in a text
  Tokens key;       // what stands for the tag in a prompt; its length is a multiple of every backend's grid
  State state;
  bool flower = false;
};

/// Makes the prompts of one model. Safe from any thread.
class PromptBuilder {
 public:
  /// `tokenizer` outlives it. `vocabulary` says in errors where that comes from.
  PromptBuilder(const Tokenizer& tokenizer, const ModelInfo& info, std::string vocabulary);

  /// Where the format's prompt begins with the tag of an initial state that was tuned on the flower form, the chat has
  /// that form. Throws Error(kInvalidArgument) without messages, where a byte has no token and for media of another
  /// width, Error(kUnsupported) for media where the model takes none.
  Prompt chat(const ChatFormat& format, std::span<const ChatMessage> messages, bool generation_prompt,
              bool reasoning) const;
  /// `<EOD>` in a completion prompt stands for token 0. An empty prompt becomes token 0. `media`: one for each
  /// kMediaMark of the text. Throws like chat().
  Prompt completion(std::string_view text, std::span<const std::shared_ptr<const Embeddings>> media = {}) const;

  bool knows_initial_state(const std::string& path) const;
  /// Prompts that begin with its tag begin with its state from now on.
  void add_initial_state(const std::string& path, KnownInitialState initial);
  /// Its key; nothing where it is not known.
  std::optional<Tokens> remove_initial_state(const std::string& path);

 private:
  // A text with what is said about its bytes.
  struct Marked {
    std::string_view text;
    std::size_t trusted_bytes = 0;  // at the beginning, of the host's own words
    std::span<const std::size_t> turn_ends;
    std::span<const std::size_t> media_marks;
    std::vector<std::shared_ptr<const Embeddings>> media;  // one a mark
  };

  void encode(const Marked& marked, Prompt& prompt) const;
  void encode_text(const Marked& marked, std::size_t begin, std::size_t end, Tokens& tokens) const;
  void add_media(const std::shared_ptr<const Embeddings>& embeddings, Prompt& prompt) const;
  std::vector<std::size_t> token_counts(const Prompt& prompt, std::size_t skipped_bytes,
                                        std::span<const std::size_t> bytes) const;
  const KnownInitialState* find_initial_state(std::string_view text) const;
  std::size_t begin_with_initial_state(std::string_view text, Prompt& prompt) const;
  bool wants_flower(std::string_view prompt) const;

  const Tokenizer& tokenizer_;
  const std::size_t width_;
  const bool takes_embeddings_;
  const std::string vocabulary_;
  mutable std::mutex mutex_;
  std::map<std::string, KnownInitialState, std::less<>> initial_states_;  // by path
};

}  // namespace rwkv
