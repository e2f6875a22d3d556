// The terminal: progress lines, Ctrl-C, reading lines.
#pragma once

#include <chrono>
#include <cstddef>
#include <string>

#include "base/cancel.h"

namespace rwkv::cli {

/// The arguments in UTF-8. On Windows, where `argv` is not, they come from the system and the streams are set to UTF-8
/// with plain line ends.
char** prepare(int argc, char** argv);

bool stdout_is_terminal();
bool stdin_is_terminal();

/// Raised by Ctrl-C. A command that goes on afterwards clears it.
CancelToken interrupt();
/// Makes Ctrl-C raise interrupt() instead of ending the program; a second one within the same work ends it.
void catch_interrupts();

/// Reads one line from standard input without its line end. False at the end of input or on Ctrl-C (then interrupt() is
/// raised). Of a longer line than `max_bytes` the rest is skipped.
bool read_line(std::string& line, std::size_t max_bytes = std::size_t{1} << 30);

/// One line on standard error that is rewritten in place, at most ten times a second; nothing where standard error is
/// not a terminal. Disappears with the object.
class ProgressLine {
 public:
  ProgressLine() = default;
  ProgressLine(const ProgressLine&) = delete;
  ProgressLine& operator=(const ProgressLine&) = delete;
  ~ProgressLine() { clear(); }

  void show(const std::string& text);
  void clear();

 private:
  std::chrono::steady_clock::time_point shown_{};
  bool visible_ = false;
};

}  // namespace rwkv::cli
