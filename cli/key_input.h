// The keys of a terminal: what its bytes mean.
#pragma once

#include <functional>
#include <string>
#include <string_view>

namespace rwkv::cli {

struct Key {
  enum Kind {
    kCharacter,    // `character`, control characters too
    kText,         // `text`, to be put into the line as it is: a pasted text, a line end within one, Alt-Enter
    kEnter,        // the message is done
    kDelete,       // the character to the right
    kEnd,          // of input
    kInterrupted,  // Ctrl-C
  };
  Kind kind;
  wchar_t character = 0;
  std::wstring text{};
};

/// Reads keys from standard input, which is a terminal without line input of its own. Keys that mean nothing here are
/// left out.
class KeyInput {
 public:
  /// What waits now was typed while nobody read: each line of it stays a line. Of what comes later, lines that arrive
  /// at once were pasted.
  void take_typed_ahead();
  /// Waits for a key; calls `idle` now and then.
  Key next(const std::function<void()>& idle);

 private:
  // Less than 0 when Ctrl-C came, 0 at the end of input or after `wait_ms` (if that is not negative).
  int fill(int wait_ms, const std::function<void()>& idle);
  bool has(std::size_t bytes, int wait_ms);
  char take();
  Key escape();
  Key pasted();
  Key character();

  std::string bytes_;
  std::size_t at_ = 0;
  std::size_t typed_ahead_ = 0;  // bytes from at_ on
};

/// UTF-8 of `text`.
std::string to_utf8(std::wstring_view text);

}  // namespace rwkv::cli
