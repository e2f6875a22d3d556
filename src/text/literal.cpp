#include "text/literal.h"

#include <algorithm>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <optional>

#include "text/utf8.h"

namespace rwkv {
namespace {

/// The value of exactly `digits` hexadecimal digits at the front of `text`.
std::optional<std::uint32_t> leading_hex(std::string_view text, std::size_t digits) {
  if (text.size() < digits) return std::nullopt;
  std::uint32_t value = 0;
  const char* end = text.data() + digits;
  if (std::from_chars(text.data(), end, value, 16).ptr != end) return std::nullopt;
  return value;
}

bool is_octal(char c) { return c >= '0' && c <= '7'; }

/// Takes up to three octal digits off the front of `text`. Values above 255 keep their low byte.
char take_octal(std::string_view& text) {
  unsigned value = 0;
  for (int digits = 0; digits < 3 && !text.empty() && is_octal(text.front()); ++digits) {
    value = value * 8 + static_cast<unsigned>(text.front() - '0');
    text.remove_prefix(1);
  }
  return static_cast<char>(static_cast<unsigned char>(value));
}

/// The byte a one-letter escape stands for; any other character stands for itself.
char simple_escape(char letter) {
  switch (letter) {
    case 'n': return '\n';
    case 't': return '\t';
    case 'r': return '\r';
    case 'a': return '\a';
    case 'b': return '\b';
    case 'f': return '\f';
    case 'v': return '\v';
    default: return letter;
  }
}

/// How many hex digits follow this escape letter; 0: it takes none.
std::size_t hex_digits(char letter, bool is_bytes) {
  if (letter == 'x') return 2;
  if (is_bytes) return 0;  // \u and \U mean nothing among bytes
  if (letter == 'u') return 4;
  return letter == 'U' ? 8 : 0;
}

/// Decodes what follows a backslash, taking it off `rest` (not empty).
std::string_view append_escape(std::string_view& rest, bool is_bytes, std::string& out) {
  if (is_octal(rest.front())) {
    out.push_back(take_octal(rest));
    return {};
  }
  const char letter = rest.front();
  rest.remove_prefix(1);
  const std::size_t digits = hex_digits(letter, is_bytes);
  const auto value = digits == 0 ? std::nullopt : leading_hex(rest, digits);
  if (!value) {  // also an incomplete \x or \u: existing readers keep the letter, and LENGTH tells if that was meant
    out.push_back(simple_escape(letter));
    return {};
  }
  rest.remove_prefix(digits);
  if (is_bytes) {
    out.push_back(static_cast<char>(static_cast<unsigned char>(*value)));
  } else if (!append_code_point(static_cast<char32_t>(*value), out)) {
    return "the literal escapes a code point that does not exist in UTF-8 (a surrogate, or above U+10FFFF)";
  }
  return {};
}

}  // namespace

std::string_view append_python_literal(std::string_view literal, std::string& out) {
  const bool is_bytes = literal.starts_with('b');
  if (is_bytes) literal.remove_prefix(1);
  if (literal.empty() || (literal.front() != '\'' && literal.front() != '"')) {
    return "the literal must be in quotes, '...' or \"...\" or either after a b";
  }
  const char quote = literal.front();
  literal.remove_prefix(1);

  while (!literal.empty() && literal.front() != quote) {
    const char c = literal.front();
    literal.remove_prefix(1);
    if (c != '\\') {
      out.push_back(c);
      continue;
    }
    if (literal.empty()) break;
    if (const auto problem = append_escape(literal, is_bytes, out); !problem.empty()) return problem;
  }
  if (literal.empty()) return "the literal has no closing quote";
  if (literal.size() > 1) return "something follows the closing quote of the literal";
  return {};
}

std::string_view append_gguf_token(std::string_view text, std::string& out) {
  while (!text.empty()) {
    const std::size_t plain = std::min(text.find('\\'), text.size());
    out.append(text.substr(0, plain));
    text.remove_prefix(plain);
    if (text.empty()) break;

    if (text.size() < 2) return "its text ends in a single backslash";
    const char letter = text[1];
    text.remove_prefix(2);
    if (letter == 'x') {
      const auto value = leading_hex(text, 2);
      if (!value) return "its text has a \\x without two hex digits";
      out.push_back(static_cast<char>(static_cast<unsigned char>(*value)));
      text.remove_prefix(2);
    } else if (letter == 't' || letter == 'n' || letter == 'r') {
      out.push_back(simple_escape(letter));
    } else {
      out.push_back(letter);
    }
  }
  return {};
}

}  // namespace rwkv
