#include "key_input.h"

#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "terminal.h"

namespace rwkv::cli {
namespace {

constexpr int kForever = -1;
constexpr int kTogetherMs = 20;  // bytes of one key or one pasted text

constexpr wchar_t control(char letter) { return static_cast<wchar_t>(letter & 0x1F); }

// The character of UTF-8 that starts with `lead`; `more` gives its next byte, or -1 where none continues it.
template <typename More>
wchar_t decode(unsigned char lead, More more) {
  constexpr wchar_t kBroken = 0xFFFD;
  if (lead < 0x80) return lead;
  const int count = lead >= 0xF0 && lead < 0xF5 ? 3 : lead >= 0xE0 ? 2 : 1;
  if (lead < 0xC2 || lead >= 0xF5) return kBroken;
  auto code = static_cast<unsigned>(lead & (0x3F >> count));
  for (int i = 0; i < count; ++i) {
    const int byte = more();
    if (byte < 0) return kBroken;
    code = code << 6 | static_cast<unsigned>(byte & 0x3F);
  }
  const bool too_long = (count == 2 && code < 0x800) || (count == 3 && code < 0x10000);
  if (too_long || code > 0x10FFFF || (code >= 0xD800 && code < 0xE000)) return kBroken;
  return static_cast<wchar_t>(code);
}

bool continues(char byte) { return (static_cast<unsigned char>(byte) & 0xC0) == 0x80; }

}  // namespace

std::string to_utf8(std::wstring_view text) {
  std::string bytes;
  const auto tail = [&bytes](unsigned code, int shift) {
    for (; shift >= 0; shift -= 6) bytes += static_cast<char>(0x80 | (code >> shift & 0x3F));
  };
  for (const wchar_t character : text) {
    const auto code = static_cast<unsigned>(character);
    if (code < 0x80) {
      bytes += static_cast<char>(code);
    } else if (code < 0x800) {
      bytes += static_cast<char>(0xC0 | code >> 6);
      tail(code, 0);
    } else if (code < 0x10000) {
      bytes += static_cast<char>(0xE0 | code >> 12);
      tail(code, 6);
    } else {
      bytes += static_cast<char>(0xF0 | code >> 18);
      tail(code, 12);
    }
  }
  return bytes;
}

int KeyInput::fill(int wait_ms, const std::function<void()>& idle) {
  pollfd input{0, POLLIN, 0};
  while (true) {
    const int ready = poll(&input, 1, wait_ms < 0 ? 50 : wait_ms);
    // Looked at between short waits: a Ctrl-C that comes just before a wait would be slept through.
    if (interrupt().cancelled()) return -1;
    if (ready > 0) break;
    if (ready < 0 && errno != EINTR) return 0;
    if (ready == 0 && wait_ms >= 0) return 0;
    if (idle) idle();
  }
  if (at_ == bytes_.size()) {
    bytes_.clear();
    at_ = 0;
  }
  char chunk[65536];
  const ssize_t n = ::read(0, chunk, sizeof chunk);
  if (n <= 0) return 0;
  bytes_.append(chunk, static_cast<std::size_t>(n));
  return 1;
}

bool KeyInput::has(std::size_t bytes, int wait_ms) {
  while (bytes_.size() - at_ < bytes) {
    if (fill(wait_ms, nullptr) <= 0) return false;
  }
  return true;
}

char KeyInput::take() {
  if (typed_ahead_ > 0) --typed_ahead_;
  return bytes_[at_++];
}

void KeyInput::take_typed_ahead() {
  while (fill(0, nullptr) > 0) {
  }
  typed_ahead_ = bytes_.size() - at_;
}

Key KeyInput::next(const std::function<void()>& idle) {
  while (true) {
    while (at_ == bytes_.size()) {
      const int got = fill(kForever, idle);
      if (got < 0) return {Key::kInterrupted};
      if (got == 0) return {Key::kEnd};
    }
    const Key key = character();
    if (key.kind != Key::kCharacter || key.character != 0) return key;
  }
}

Key KeyInput::character() {
  const bool typed_ahead = typed_ahead_ > 0;
  const char byte = take();
  if (byte == '\x1B') return escape();
  if (byte == '\r' || byte == '\n') {
    if (typed_ahead || !has(1, kTogetherMs)) return {Key::kEnter};
    return {Key::kText, 0, L"\n"};
  }
  const auto more = [this]() -> int { return has(1, kTogetherMs) && continues(bytes_[at_]) ? take() : -1; };
  return {Key::kCharacter, decode(static_cast<unsigned char>(byte), more)};
}

// What follows Escape. Arrows and their like become the control characters that do the same.
Key KeyInput::escape() {
  if (!has(1, kTogetherMs)) return {Key::kCharacter};
  const char kind = bytes_[at_];
  if (kind == '\r' || kind == '\n') {  // Alt-Enter
    take();
    return {Key::kText, 0, L"\n"};
  }
  if (kind != '[' && kind != 'O') return {Key::kCharacter, 0x1B};
  take();
  std::string sequence;
  while (sequence.size() < 32 && has(1, kTogetherMs)) {
    sequence += take();
    if (sequence.back() >= 0x40) break;
  }
  if (sequence == "A") return {Key::kCharacter, control('P')};
  if (sequence == "B") return {Key::kCharacter, control('N')};
  if (sequence == "C") return {Key::kCharacter, control('F')};
  if (sequence == "D") return {Key::kCharacter, control('B')};
  if (sequence == "H" || sequence == "1~" || sequence == "7~") return {Key::kCharacter, control('A')};
  if (sequence == "F" || sequence == "4~" || sequence == "8~") return {Key::kCharacter, control('E')};
  if (sequence == "3~") return {Key::kDelete};
  if (sequence == "200~") return pasted();
  if (sequence == "1;5C" || sequence == "1;5D") {  // a word to the right or left: Alt-F, Alt-B
    bytes_.insert(at_, 1, sequence.back() == 'C' ? 'f' : 'b');
    return {Key::kCharacter, 0x1B};
  }
  return {Key::kCharacter};
}

// Up to the mark of its end, or as much as there is if that does not come.
Key KeyInput::pasted() {
  constexpr std::string_view kMark = "\033[201~";
  std::size_t end;
  while ((end = bytes_.find(kMark, at_)) == std::string::npos) {
    if (fill(1000, nullptr) <= 0) break;
  }
  const std::size_t length = (end == std::string::npos ? bytes_.size() : end) - at_;
  const std::string bytes = bytes_.substr(at_, length);
  const std::size_t taken = length + (end == std::string::npos ? 0 : kMark.size());
  at_ += taken;
  typed_ahead_ -= std::min(typed_ahead_, taken);

  Key key{Key::kText};
  for (std::size_t i = 0; i < bytes.size();) {
    const auto more = [&]() -> int { return i < bytes.size() && continues(bytes[i]) ? bytes[i++] : -1; };
    const wchar_t character = decode(static_cast<unsigned char>(bytes[i++]), more);
    if (character == L'\r') {
      if (i < bytes.size() && bytes[i] == '\n') ++i;
      key.text += L'\n';
    } else if (character >= 0x20 ? character < 0x7F || character >= 0xA0 : character == L'\n' || character == L'\t') {
      key.text += character;  // and no other control characters
    }
  }
  return key;
}

}  // namespace rwkv::cli
