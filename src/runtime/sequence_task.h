// What the scheduler works on: a text to prefill and perhaps to continue, token by token.
#pragma once

#include <cstddef>
#include <optional>
#include <span>

#include "base/cancel.h"
#include "base/error.h"
#include "base/token.h"
#include "engine/state.h"
#include "runtime/media.h"

namespace rwkv {

/// The scheduler's thread calls the methods, one at a time. What next() and scored() throw ends this task and no other.
class SequenceTask {
 public:
  virtual ~SequenceTask() = default;

  /// The text to prefill: at least one token. Does not change.
  virtual const Tokens& text() const = 0;
  /// What the media tokens of text() stand for (media.h). Does not change.
  virtual std::span<const MediaPlace> media() const { return {}; }
  /// The scheduler looks at it before each evaluation. The task then ends with Error(kCancelled).
  virtual const CancelToken& cancel() const = 0;
  /// Positions in text() (numbers of tokens, ascending) whose states are worth remembering: ends of turns.
  virtual std::span<const std::size_t> turn_ends() const { return {}; }
  /// Whether it counts in the model's speeds and progress.
  virtual bool is_measured() const { return false; }
  /// Whether states are taken from the cache and put there.
  virtual bool uses_cache() const { return true; }
  /// The state to begin with, where the cache knows none of a longer beginning; it stands for the first position()
  /// tokens, which are not evaluated.
  virtual State start() const { return {}; }
  /// Whether next() is asked after the text, or the task ends with the state after it.
  virtual bool continues() const { return true; }

  /// The logits after each token of the text from this index on are given to scored(). text().size(): none. Such a task
  /// uses no cache.
  virtual std::size_t scores_from() const { return text().size(); }
  /// One after another, vocabulary values each.
  virtual void scored(std::span<const float> logits) { static_cast<void>(logits); }

  /// `tokens` more of the text are evaluated or found in the cache.
  virtual void prefilled(std::size_t tokens) noexcept { static_cast<void>(tokens); }
  /// Chooses what follows, from the logits after the text and all tokens chosen so far. Nothing ends the task.
  virtual std::optional<TokenId> next(std::span<const float> logits) = 0;

  /// How a task went.
  struct Report {
    std::size_t cached_tokens = 0;  // of the text, that did not have to be evaluated
    double prefill_seconds = 0;     // from the first evaluation to the first call of next()
    double decode_seconds = 0;      // from then on
    State state;                    // with continues() false: the one after the text
    std::optional<Error> error;     // kCancelled, or what went wrong
  };
  /// Exactly once; after it only sequel().
  virtual void end(const Report& report) noexcept = 0;

  /// The scheduler asks for it after a task that went well or was cancelled: the text that the next turn of this
  /// conversation is going to begin with. Empty: none.
  virtual Tokens sequel() const { return {}; }
};

}  // namespace rwkv
