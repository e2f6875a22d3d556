// Bytes in, valid UTF-8 out.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace rwkv {

/// Turns a stream of bytes that may be cut anywhere into pieces of valid UTF-8. An unfinished character waits for its
/// rest; bytes that can never become a character turn into U+FFFD, one per maximal invalid part (Unicode 15, 3.9).
class Utf8Stream {
 public:
  /// Appends what is complete now to `out`.
  void push(std::string_view bytes, std::string& out);
  /// The stream has ended: a character that is still unfinished becomes U+FFFD.
  void finish(std::string& out);
  /// Bytes waiting for the rest of their character, at most 3.
  std::string_view pending() const noexcept { return pending_; }

 private:
  std::string pending_;
};

/// Whether `text` is well-formed UTF-8 (no overlong forms, no surrogates, nothing above U+10FFFF).
bool is_valid_utf8(std::string_view text) noexcept;

/// `text` with every invalid part replaced by U+FFFD, one per maximal invalid part.
std::string to_valid_utf8(std::string_view text);

/// Appends `code_point` in UTF-8. False, and nothing appended, for surrogates and values above U+10FFFF.
bool append_code_point(char32_t code_point, std::string& out);

}  // namespace rwkv
