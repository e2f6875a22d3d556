// The text of a running generation, between the thread that writes it and the threads that read it.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "base/error.h"
#include "runtime/language_model.h"

namespace rwkv::host {

/// One generation with its slots. The model's thread appends and never waits. Polls, pushed deltas, events over HTTP,
/// callbacks and the terminal read what was appended since their last read. Every method is safe from any thread.
/// Texts and token lists only grow. Each take_delta() of a slot gets the next number, from 1 on, so that a reader can
/// tell that it has everything.
class TextStream {
 public:
  /// A part of a slot's text and tokens.
  struct Part {
    std::int64_t sequence = 0;  // up to and including this number
    std::string text;
    Tokens tokens;
    /// How much at the beginning repeats what the request gave (a prompt, an answer that goes on).
    std::size_t given_text = 0;
    std::size_t given_tokens = 0;

    /// Removes what the request gave; new text and tokens stay.
    void leave_out_given();
  };
  using Delta = Part;     // appended since the previous number
  using Snapshot = Part;  // appended since a number that a client named
  /// One chosen token with the text that it completed.
  struct Step {
    std::size_t slot = 0;
    std::optional<TokenId> token;  // none at the end of an answer, where text that was held back comes alone
    std::string text;
    std::size_t text_end = 0;  // where it ends in text()
  };
  /// The answer to a poll: all that follows a place, or everything.
  template <class Sequence>
  struct Rest {
    std::size_t begin = 0;   // where it begins in the whole
    std::size_t length = 0;  // length of the whole
    Sequence what;
  };
  struct End {
    EndReason reason = EndReason::kError;
    std::int64_t prompt_tokens = 0;
    std::int64_t generated_tokens = 0;
    std::optional<Error> error = {};  // with kError
  };

  /// `keep_steps`: all steps are kept until take_steps() takes them, so that a slow reader delays no other.
  TextStream(std::size_t slots, bool keep_steps) : slots_(slots), keep_steps_(keep_steps) {}

  std::size_t slots() const noexcept { return slots_.size(); }

  /// Sets the text that a slot has before anything is generated (a completion's prompt), and its tokens. The first
  /// `given_reply` bytes of the generated text repeat an answer that the request gave; then `tokens` are its tokens.
  void start(std::size_t slot, std::string text, Tokens tokens, std::size_t given_reply = 0);
  /// Appends the text and tokens that `generation` has written since the last call, and its end.
  void append(std::size_t slot, const Generation& generation);
  /// Ends each slot that has not ended, for example when the model failed.
  void finish(EndReason reason, const std::optional<Error>& error = {}) noexcept;
  /// Never goes back.
  void set_prefill(std::uint64_t done, std::uint64_t total);

  /// Waits until something has changed since the call that returned `seen` (0: since the beginning). Returns the number
  /// to pass next time.
  std::uint64_t wait_for_news(std::uint64_t seen) const;
  /// Whether finish() was called; nothing is appended after that.
  bool ended() const;

  struct Prefill {
    std::uint64_t done = 0;  // tokens of the prompts
    std::uint64_t total = 0;
  };
  Prefill prefill() const;
  /// The share of the prompt that is evaluated.
  double prefill_progress() const;

  std::string text(std::size_t slot) const { return text_from(slot, 0).what; }
  /// From byte `begin` on, or all of it where no character begins at `begin`.
  Rest<std::string> text_from(std::size_t slot, std::size_t begin) const;
  /// From byte `begin` on, which another call has given as the end; empty where the text is shorter.
  std::string text_after(std::size_t slot, std::size_t begin) const;
  /// The text that start() set.
  std::string start_text(std::size_t slot) const;
  /// From token `begin` on, or all of them where there are fewer.
  Rest<Tokens> tokens_from(std::size_t slot, std::size_t begin) const;
  std::size_t token_count(std::size_t slot) const;
  /// The model ended the answer by itself: a stop, the stop token or the end of the text.
  bool eos_found(std::size_t slot) const;

  /// The part that was appended since the last call, or nothing. Deltas follow each other without gap or repeat.
  std::optional<Delta> take_delta(std::size_t slot);
  /// Everything after delta number `after` (0: all) up to the last number taken. Unknown numbers count as 0.
  Snapshot snapshot(std::size_t slot, std::int64_t after) const;
  std::int64_t last_sequence(std::size_t slot) const;
  /// The share of the prompt that is evaluated, when it has changed since the last call.
  std::optional<double> take_prefill_progress();
  /// Those since the last call, in their order over all slots.
  std::vector<Step> take_steps();
  /// How the slot ended, once it has.
  std::optional<End> end(std::size_t slot) const;
  /// The same, once: nothing on later calls. With `hold_last` nothing either once all slots have ended.
  std::optional<End> take_end(std::size_t slot, bool hold_last);
  bool end_taken(std::size_t slot) const;

 private:
  // Where a delta ended.
  struct Mark {
    std::size_t text;
    std::size_t tokens;
  };
  struct Slot {
    std::string text;
    std::size_t start_bytes = 0;
    Tokens tokens;
    Mark given{0, 0};
    std::size_t taken_text = 0;    // bytes of the generation's own text that are in `text`
    std::size_t taken_tokens = 0;  // the same for tokens
    std::vector<Mark> marks;       // [i]: the end of delta i + 1
    std::optional<End> end;
    bool end_taken = false;

    Mark mark(std::int64_t sequence) const {
      if (sequence < 1 || static_cast<std::uint64_t>(sequence) > marks.size()) return {0, 0};
      return marks[static_cast<std::size_t>(sequence - 1)];
    }
  };

  double progress() const noexcept;
  void note_news() noexcept;
  static Part part(const Slot& slot, Mark begin, Mark end, std::int64_t sequence);

  mutable std::mutex mutex_;
  std::vector<Slot> slots_;
  bool finished_ = false;
  const bool keep_steps_;
  std::vector<Step> steps_;
  Prefill prefill_;
  std::uint64_t news_ = 0;  // changes so far
  mutable std::condition_variable changed_;
  double prefill_told_ = -1;
};

}  // namespace rwkv::host
