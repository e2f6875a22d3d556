#include "runtime/first_tokens.h"

#include <algorithm>

namespace rwkv {
namespace {

unsigned char byte_at(std::string_view bytes, std::size_t i) { return static_cast<unsigned char>(bytes[i]); }

// U+4E00..U+9FFF is E4 B8 80 .. E9 BF BF in UTF-8.
bool is_cjk_lead(unsigned char b) { return b >= 0xE4 && b <= 0xE9; }

bool opens_tag(std::string_view bytes) {
  if (bytes.starts_with('<')) return true;
  return bytes.size() > 1 && (bytes[0] == ' ' || bytes[0] == '>') && bytes[1] == '<';
}

}  // namespace

bool is_cjk_or_begins_it(std::string_view bytes) noexcept {
  if (bytes.empty()) return false;
  for (std::size_t i = 0; i < bytes.size(); i += 3) {
    if (!is_cjk_lead(byte_at(bytes, i))) return false;
    if (i + 1 < bytes.size()) {
      const unsigned char second = byte_at(bytes, i + 1);
      const unsigned char lowest = byte_at(bytes, i) == 0xE4 ? 0xB8 : 0x80;
      if (second < lowest || second > 0xBF) return false;
    }
    if (i + 2 < bytes.size() && (byte_at(bytes, i + 2) & 0xC0) != 0x80) return false;
  }
  return true;
}

OpeningRules::OpeningRules(const Vocabulary& vocabulary) : vocabulary_(vocabulary) {
  empty_openings_.push_back(kEndOfText);
  for (std::size_t i = 1; i < vocabulary.size(); ++i) {
    const auto id = static_cast<TokenId>(i);
    const std::string_view bytes = vocabulary.bytes(id);
    if (bytes.empty()) continue;
    const bool newlines_only = std::all_of(bytes.begin(), bytes.end(), [](char c) { return c == '\n'; });
    if (newlines_only || opens_tag(bytes)) empty_openings_.push_back(id);
  }
}

void OpeningRules::ban_other_languages(ForcedLanguage language, std::string_view pending,
                                       std::span<std::uint8_t> banned) const {
  if (language == ForcedLanguage::kNone) return;
  std::string bytes;
  std::vector<std::uint8_t> excluded(banned.size(), 0);
  bool any_left = false;
  for (std::size_t i = 0; i < banned.size(); ++i) {
    bytes.assign(pending).append(vocabulary_.bytes(static_cast<TokenId>(i)));
    if (language == ForcedLanguage::kChinese) {
      excluded[i] = bytes.size() == pending.size() || !is_cjk_or_begins_it(bytes);
    } else {
      excluded[i] =
          std::any_of(bytes.begin(), bytes.end(), [](char c) { return is_cjk_lead(static_cast<unsigned char>(c)); });
    }
    any_left = any_left || !excluded[i];
  }
  if (!any_left) return;
  for (std::size_t i = 0; i < banned.size(); ++i) banned[i] = banned[i] | excluded[i];
}

}  // namespace rwkv
