// One answer being written: everything between logits and text, and nothing that computes a model.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/token.h"
#include "engine/state.h"
#include "runtime/first_tokens.h"
#include "runtime/media.h"
#include "runtime/penalties.h"
#include "runtime/reply_text.h"
#include "runtime/sampler.h"
#include "text/tokenizer.h"

namespace rwkv {

/// Why an answer ended. Every generation ends with exactly one of these.
enum class EndReason {
  kEos,        // the model ended it: token 0 or the format's end text
  kStop,       // a stop string, a role marker or the stop token
  kLength,     // max_tokens
  kCancelled,  // the caller
  kError,
};

/// "eos", "stop", "length", "cancelled", "error".
std::string_view to_string(EndReason reason) noexcept;

/// The longest answer where nobody says.
inline constexpr int kDefaultMaxTokens = 2000;

struct GenerationOptions {
  int max_tokens = kDefaultMaxTokens;  // 0: only evaluate the prompt
  SamplerParams sampler;
  PenaltyParams penalties;
  /// Nothing: a seed of its own for every generation.
  std::optional<std::uint64_t> seed;
  Tokens banned;
  std::vector<std::string> stops;  // besides those of the chat format
  /// Completion only: the answer ends after this token.
  std::optional<TokenId> stop_token;
  bool reasoning = false;
  bool force_reasoning = false;  // the thinking block must not be empty
  ForcedLanguage language = ForcedLanguage::kNone;
  /// False: evaluated from the zero state, nothing is remembered.
  bool use_cache = true;
};

/// A prompt made ready for evaluation.
struct Prompt {
  Tokens tokens;
  /// The end of the prompt that belongs to the answer (a thinking token, a partial answer).
  std::string reply;
  bool chat = true;  // chat rules (template white space, first tokens) or plain completion
  bool resumes_answer = false;
  std::vector<std::string> stops;           // stops[0] is the format's end text, if it has one
  std::vector<std::size_t> turn_ends = {};  // numbers of tokens after which a turn or media have ended, ascending
  std::vector<MediaPlace> media = {};       // ascending; in tokens they are negative numbers (media.h)
  State start = {};                         // a tuned initial state that stands for the first position() tokens
};

/// Chooses tokens from logits and turns them into text until one of the end reasons holds. Drive it so:
/// evaluate prompt().tokens, then `while (auto token = g.next(logits)) logits = evaluate(*token)`.
class Generation {
 public:
  /// `tokenizer` and `opening` must outlive the generation.
  Generation(const Tokenizer& tokenizer, const OpeningRules& opening, Prompt prompt, GenerationOptions options);

  const Prompt& prompt() const noexcept { return prompt_; }
  const GenerationOptions& options() const noexcept { return options_; }

  /// Chooses the next token. Returns it when the model has to absorb it, nothing when the answer has ended. `logits`
  /// has one value a vocabulary row and is not changed.
  std::optional<TokenId> next(std::span<const float> logits);

  /// Ends it from outside; does nothing once it has ended.
  void end(EndReason reason);

  bool ended() const noexcept { return reason_.has_value(); }
  std::optional<EndReason> reason() const noexcept { return reason_; }
  /// The answer so far, see ReplyText.
  const std::string& text() const noexcept { return reply_.text(); }
  /// Tokens of the answer that next() gave out. A token that only completes a stop is not among them.
  const Tokens& tokens() const noexcept { return tokens_; }
  bool thinking() const noexcept { return reply_.thinking(); }

 private:
  void prepare_bans();
  bool opening_bans_apply() const;

  const Tokenizer& tokenizer_;
  const OpeningRules& opening_;
  Prompt prompt_;
  GenerationOptions options_;
  Sampler sampler_;
  Penalties penalties_;
  ReplyText reply_;
  Tokens tokens_;
  std::string unfinished_;            // bytes of a character that forced language must complete
  std::vector<std::uint8_t> always_;  // per id: 1 = can never be chosen
  std::vector<std::uint8_t> banned_;  // per id: 1 = banned for this step
  std::optional<EndReason> reason_;
};

}  // namespace rwkv
