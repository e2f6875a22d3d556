// The terminal: progress lines, Ctrl-C, reading lines.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdio>
#include <string>
#include <string_view>

#include "base/cancel.h"

namespace rwkv::cli {

/// The arguments in UTF-8. On Windows, where `argv` is not, they come from the system and the streams are set to UTF-8
/// with plain line ends. Elsewhere a standard stream that the caller closed is made to fail, so that no file that is
/// opened later takes its place.
char** prepare(int argc, char** argv);

bool stdin_is_terminal();
/// Whether what is written to `stream` may move the cursor: a terminal that is not a dumb one.
bool draws(std::FILE* stream);

/// Sends out what was printed. Throws std::runtime_error if any of it, now or before, did not arrive.
void flush_output();
/// `text` with control characters but line ends and tabs shown as escapes, so that they do nothing to a terminal.
std::string printable(std::string_view text);
/// `rwkv: MESSAGE` on standard error, printable.
void print_error(std::string_view message);

/// Raised by Ctrl-C and SIGTERM. A command that goes on afterwards clears it.
CancelToken interrupt();
/// Whether it was SIGTERM, after which no command goes on.
bool terminated() noexcept;
/// Makes Ctrl-C and SIGTERM raise interrupt() instead of ending the program; a second one within the same work ends it.
/// (As process 1 of a container a program gets only the signals that it catches.)
void catch_interrupts();

/// Reads one line from standard input without its line end. False at the end of input or on Ctrl-C (then interrupt() is
/// raised). Of a longer line than `max_bytes` the rest is skipped.
bool read_line(std::string& line, std::size_t max_bytes = std::size_t{1} << 30);
/// Whether more input than the last line is there already. Always false on Windows.
bool input_waits();
/// Standard input up to its end. Throws Error(kCancelled) on Ctrl-C and std::system_error when it cannot be read.
std::string read_all();

/// One line on standard error that is rewritten in place, at most ten times a second, cut to the terminal's width;
/// nothing where standard error is no terminal or a dumb one. Disappears with the object.
class ProgressLine {
 public:
  ProgressLine() = default;
  ProgressLine(const ProgressLine&) = delete;
  ProgressLine& operator=(const ProgressLine&) = delete;
  ~ProgressLine() { clear(); }

  void show(const std::string& text);
  /// `part`, 0 to 1, in percent after `what`.
  void show_part(const std::string& what, float part) {
    show(what + " " + std::to_string(static_cast<int>(part * 100)) + " %");
  }
  void clear();

 private:
  std::chrono::steady_clock::time_point shown_{};
  bool visible_ = false;
};

}  // namespace rwkv::cli
