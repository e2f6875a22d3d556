#include "text/tokenizer.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "base/error.h"

namespace rwkv {
namespace {

std::vector<ByteTrie::Entry> entries_of(const Vocabulary& vocabulary) {
  std::vector<ByteTrie::Entry> entries;
  entries.reserve(vocabulary.size());
  for (std::size_t i = 0; i < vocabulary.size(); ++i) {
    const auto id = static_cast<TokenId>(i);
    if (const auto bytes = vocabulary.bytes(id); !bytes.empty()) entries.push_back({bytes, id});
  }
  return entries;
}

/// Makes room for `more` tokens; grows at least by half, so that many small appends stay linear.
void reserve_more(Tokens& out, std::size_t more) {
  const std::size_t wanted = out.size() + more;
  if (wanted > out.capacity()) out.reserve(std::max(wanted, out.capacity() + out.capacity() / 2));
}

}  // namespace

std::string Tokenizer::Gap::describe() const {
  constexpr std::string_view kDigits = "0123456789ABCDEF";
  return std::string("byte 0x") + kDigits[byte >> 4U] + kDigits[byte & 15U] + " at offset " + std::to_string(offset);
}

Tokenizer::Tokenizer(Vocabulary vocabulary) : vocabulary_(std::move(vocabulary)), trie_(entries_of(vocabulary_)) {}

std::optional<Tokenizer::Gap> Tokenizer::encode(std::string_view text, Tokens& out) const {
  reserve_more(out, text.size() / 4 + 1);  // natural text has 3 to 5 bytes a token

  std::optional<Gap> gap;
  const char* const end = text.data() + text.size();
  for (const char* at = text.data(); at != end;) {
    const ByteTrie::Match match = trie_.longest_prefix(at, end);
    if (match.length == 0) {
      if (!gap) gap = Gap{static_cast<std::size_t>(at - text.data()), static_cast<unsigned char>(*at)};
      ++at;
      continue;
    }
    out.push_back(match.id);
    at += match.length;
  }
  return gap;
}

Tokens Tokenizer::encode(std::string_view text) const {
  Tokens out;
  if (const auto gap = encode(text, out)) {
    throw Error(ErrorCode::kInvalidArgument, "the vocabulary has no token for " + gap->describe() +
                                                 " of the text: use only text this model was trained on");
  }
  return out;
}

std::string Tokenizer::decode(std::span<const TokenId> tokens) const {
  std::size_t length = 0;
  for (const TokenId id : tokens) length += bytes(id).size();
  std::string text;
  text.reserve(length);
  for (const TokenId id : tokens) text.append(bytes(id));
  return text;
}

}  // namespace rwkv
