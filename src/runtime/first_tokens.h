// Rules for the first tokens of an answer: no empty beginnings, and a language if one is asked for.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/token.h"
#include "text/vocabulary.h"

namespace rwkv {

enum class ForcedLanguage { kNone = 0, kChinese = 1, kEnglish = 2 };

/// What clients mean by a number; nothing where it means none of them.
constexpr std::optional<ForcedLanguage> forced_language(std::int64_t number) noexcept {
  if (number < 0 || number > 2) return std::nullopt;
  return static_cast<ForcedLanguage>(number);
}

/// Number of tokens, from the start of an answer, to which the rules apply.
inline constexpr int kOpeningTokens = 3;

/// What the bytes of a vocabulary's tokens mean for these rules. Made once per tokenizer; immutable.
class OpeningRules {
 public:
  explicit OpeningRules(const Vocabulary& vocabulary);

  /// Tokens an answer without a thinking block must not begin with: the end of the text, nothing but newlines, and what
  /// opens a tag (`<` at its first or, after a space or `>`, at its second byte).
  const Tokens& empty_openings() const noexcept { return empty_openings_; }

  /// Marks in `banned` (one byte a token id, 0 or 1) the tokens that `language` excludes after the bytes `pending` of
  /// an unfinished character. Chinese: everything but characters of U+4E00..U+9FFF, whole or begun; does nothing where
  /// the vocabulary cannot write one. English: everything that holds such a character.
  void ban_other_languages(ForcedLanguage language, std::string_view pending, std::span<std::uint8_t> banned) const;

 private:
  const Vocabulary& vocabulary_;
  Tokens empty_openings_;
};

/// Whether `bytes` are complete CJK characters (U+4E00..U+9FFF), the last of which may lack bytes. False for nothing.
bool is_cjk_or_begins_it(std::string_view bytes) noexcept;

}  // namespace rwkv
