#include "text/utf8.h"

#include <cstdint>
#include <cstring>

namespace rwkv {
namespace {

constexpr std::string_view kReplacement = "\xEF\xBF\xBD";

enum class Form { kComplete, kUnfinished, kInvalid };

/// The first character of a text, or the maximal part of it that could have begun one (at least one byte).
struct Head {
  Form form;
  std::size_t length;
};

/// What a lead byte asks for, after the table "Well-Formed UTF-8 Byte Sequences" (Unicode 15, table 3-7).
struct Lead {
  std::size_t length;           // of the whole character; 0: no character begins with this byte
  unsigned char second_lowest;  // the second byte is what excludes overlong forms, surrogates and values too large
  unsigned char second_highest;
};

constexpr Lead lead_of(unsigned char byte) {
  if (byte < 0x80) return {1, 0, 0};
  if (byte < 0xC2) return {0, 0, 0};
  if (byte < 0xE0) return {2, 0x80, 0xBF};
  if (byte == 0xE0) return {3, 0xA0, 0xBF};
  if (byte == 0xED) return {3, 0x80, 0x9F};
  if (byte < 0xF0) return {3, 0x80, 0xBF};
  if (byte == 0xF0) return {4, 0x90, 0xBF};
  if (byte < 0xF4) return {4, 0x80, 0xBF};
  if (byte == 0xF4) return {4, 0x80, 0x8F};
  return {0, 0, 0};
}

/// `text` is not empty.
Head head_of(std::string_view text) {
  const Lead lead = lead_of(static_cast<unsigned char>(text[0]));
  if (lead.length == 0) return {Form::kInvalid, 1};
  for (std::size_t i = 1; i < lead.length; ++i) {
    if (i == text.size()) return {Form::kUnfinished, i};
    const auto byte = static_cast<unsigned char>(text[i]);
    const unsigned char lowest = i == 1 ? lead.second_lowest : 0x80;
    const unsigned char highest = i == 1 ? lead.second_highest : 0xBF;
    if (byte < lowest || byte > highest) return {Form::kInvalid, i};
  }
  return {Form::kComplete, lead.length};
}

/// How many bytes of `text` are complete characters before the first thing that is not.
std::size_t valid_prefix(std::string_view text) {
  constexpr std::uint64_t kHighBits = 0x8080808080808080;
  std::size_t at = 0;
  while (at < text.size()) {
    std::uint64_t word = 0;
    while (text.size() - at >= sizeof word) {
      std::memcpy(&word, text.data() + at, sizeof word);
      if ((word & kHighBits) != 0) break;
      at += sizeof word;
    }
    if (at == text.size()) break;
    const Head head = head_of(text.substr(at));
    if (head.form != Form::kComplete) break;
    at += head.length;
  }
  return at;
}

/// Appends `text` with its invalid parts replaced; returns the unfinished character at its end.
std::string_view append_valid(std::string_view text, std::string& out) {
  while (!text.empty()) {
    const std::size_t valid = valid_prefix(text);
    out.append(text.substr(0, valid));
    text.remove_prefix(valid);
    if (text.empty()) break;
    const Head head = head_of(text);
    if (head.form == Form::kUnfinished) return text;
    out.append(kReplacement);
    text.remove_prefix(head.length);
  }
  return {};
}

}  // namespace

void Utf8Stream::push(std::string_view bytes, std::string& out) {
  while (!pending_.empty() && !bytes.empty()) {
    pending_.push_back(bytes.front());
    const Head head = head_of(pending_);
    if (head.form == Form::kInvalid) {  // what waited can never become a character; the new byte is looked at anew
      out.append(kReplacement);
      pending_.clear();
      break;
    }
    bytes.remove_prefix(1);
    if (head.form == Form::kComplete) {
      out.append(pending_);
      pending_.clear();
    }
  }
  if (pending_.empty()) pending_ = append_valid(bytes, out);
}

void Utf8Stream::finish(std::string& out) {
  if (!pending_.empty()) out.append(kReplacement);
  pending_.clear();
}

bool is_valid_utf8(std::string_view text) noexcept { return valid_prefix(text) == text.size(); }

std::string to_valid_utf8(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  if (!append_valid(text, out).empty()) out.append(kReplacement);
  return out;
}

bool append_code_point(char32_t code_point, std::string& out) {
  const auto continuation = [&](int shift) {
    return static_cast<char>(static_cast<unsigned char>(0x80 | ((code_point >> shift) & 0x3F)));
  };
  const auto lead = [&](unsigned mark, int shift) {
    return static_cast<char>(static_cast<unsigned char>(mark | (code_point >> shift)));
  };
  if (code_point < 0x80) {
    out.push_back(lead(0, 0));
  } else if (code_point < 0x800) {
    out.append({lead(0xC0, 6), continuation(0)});
  } else if (code_point < 0x10000) {
    if (code_point >= 0xD800 && code_point <= 0xDFFF) return false;
    out.append({lead(0xE0, 12), continuation(6), continuation(0)});
  } else if (code_point <= 0x10FFFF) {
    out.append({lead(0xF0, 18), continuation(12), continuation(6), continuation(0)});
  } else {
    return false;
  }
  return true;
}

}  // namespace rwkv
