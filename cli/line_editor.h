// Where a person types the messages of a conversation.
#pragma once

#include <cstdio>
#include <memory>
#include <string>

namespace rwkv::cli {

/// Edited with libedit where both ends are a terminal that can do it; else the system's own line input, without escape
/// sequences. The messages typed before are kept in memory only.
class LineEditor {
 public:
  explicit LineEditor(std::FILE* screen);
  LineEditor(const LineEditor&) = delete;
  LineEditor& operator=(const LineEditor&) = delete;
  ~LineEditor();

  /// Asks for one message, which may have several lines: a pasted text is one, and Alt-Enter or a backslash at the end
  /// of a line starts another (the latter without editing too). False at the end of input or on Ctrl-C (then
  /// interrupt() is raised).
  bool read(std::string& text);

 private:
  struct Editing;
  bool read_plain(std::string& text);

  std::FILE* screen_;
  std::unique_ptr<Editing> editing_;
};

}  // namespace rwkv::cli
