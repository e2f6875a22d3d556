#include "text/vocabulary.h"

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <fstream>
#include <optional>
#include <system_error>
#include <unordered_map>

#include "base/error.h"
#include "base/utf8_path.h"
#include "formats/file_kind.h"
#include "text/json_vocabulary.h"
#include "text/literal.h"

namespace rwkv {
namespace {

constexpr std::int32_t kGgufControl = 3;
constexpr std::int32_t kGgufUnused = 5;

/// A decimal number and nothing else.
std::optional<std::uint64_t> parse_decimal(std::string_view text) {
  std::uint64_t value = 0;
  const char* end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, value);
  if (text.empty() || stop != end || error != std::errc()) return std::nullopt;
  return value;
}

std::string_view trim(std::string_view text) {
  constexpr std::string_view kBlank = " \t";
  const std::size_t first = text.find_first_not_of(kBlank);
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(kBlank) - first + 1);
}

struct Line {
  std::string_view id;
  std::string_view literal;
  std::string_view length;
};

/// The literal may hold spaces itself: the id ends at the first one, the length begins after the last.
std::optional<Line> split(std::string_view line) {
  const std::size_t first = line.find(' ');
  const std::size_t last = line.rfind(' ');
  if (first == last) return std::nullopt;  // one space or none at all
  return Line{line.substr(0, first), trim(line.substr(first, last - first)), line.substr(last + 1)};
}

std::string read_whole(const std::string& path) {
  const std::filesystem::path file = path_from_utf8(path);
  std::error_code error;
  if (!std::filesystem::exists(file, error) && !error) {
    throw Error(ErrorCode::kNotFound, "there is no vocabulary file at " + path + ": check the path", path);
  }
  const std::uintmax_t size = std::filesystem::file_size(file, error);
  if (error) throw Error(ErrorCode::kIo, "cannot read the vocabulary file " + path + ": " + error.message(), path);
  if (size > Vocabulary::kMaxFileBytes) {
    throw Error(ErrorCode::kBadFile,
                path + " is too large for a vocabulary (" + std::to_string(size) +
                    " bytes, at most 64 MiB): is it a model file?",
                path);
  }
  std::string text(static_cast<std::size_t>(size), '\0');
  std::ifstream in(file, std::ios::binary);
  if (!in.read(text.data(), static_cast<std::streamsize>(text.size()))) {
    throw Error(ErrorCode::kIo, "cannot read the vocabulary file " + path + ": check its permissions", path);
  }
  return text;
}

}  // namespace

/// Collects tokens in any order and refuses what a vocabulary must not hold. Each step returns what is wrong, or
/// nothing.
class Vocabulary::Builder {
 public:
  /// `source_bytes`: at least as many as all token bytes together, so that the pool never moves.
  explicit Builder(std::size_t source_bytes) { pool_.reserve(source_bytes); }

  /// Where the caller writes the bytes of the next token, for commit().
  std::string& pool() { return pool_; }
  std::size_t written() const { return pool_.size() - committed_; }

  /// Gives the bytes written since the last commit to `id`.
  std::string commit(TokenId id) {
    if (written() == 0) return "the token has no bytes";
    if (written() > kMaxTokenBytes) {
      return "the token has " + std::to_string(written()) + " bytes, at most " + std::to_string(kMaxTokenBytes) +
             " are allowed";
    }
    if (pool_.size() > kMaxTotalBytes) return "the tokens up to here have more than 16 MiB, too much for a vocabulary";

    const auto index = static_cast<std::size_t>(id);
    if (index >= known_.size()) known_.resize(index + 1, false);
    if (known_[index]) return "the id " + std::to_string(id) + " was already given to another token";
    known_[index] = true;

    const auto [same, is_new] = ids_.emplace(std::string_view(pool_).substr(committed_), id);
    if (!is_new) return "the token has the same bytes as token " + std::to_string(same->second);
    tokens_.push_back({id, committed_, written()});
    committed_ = pool_.size();
    return {};
  }

  bool empty() const { return tokens_.empty(); }

  /// At least `size` ids, those without a token have no bytes.
  Vocabulary finish(std::size_t size) {
    std::sort(tokens_.begin(), tokens_.end(), [](const Token& a, const Token& b) { return a.id < b.id; });
    Vocabulary result;
    result.pool_.reserve(pool_.size());
    result.offsets_.reserve(std::max(size, known_.size()) + 1);
    for (const Token& token : tokens_) {
      // A border for each id below this one that has none yet, then the end of this one.
      result.offsets_.resize(static_cast<std::size_t>(token.id) + 1, result.offsets_.back());
      result.pool_.append(pool_, token.begin, token.length);
      result.offsets_.push_back(static_cast<std::uint32_t>(result.pool_.size()));
      result.longest_ = std::max(result.longest_, token.length);
    }
    if (result.size() < size) result.offsets_.resize(size + 1, result.offsets_.back());
    return result;
  }

 private:
  struct Token {
    TokenId id;
    std::size_t begin;  // in pool_
    std::size_t length;
  };
  std::string pool_;
  std::size_t committed_ = 0;
  std::vector<Token> tokens_;
  std::vector<bool> known_;                            // by id
  std::unordered_map<std::string_view, TokenId> ids_;  // by bytes, which lie in pool_
};

Vocabulary Vocabulary::from_file(const std::string& path) { return from_text(read_whole(path), path); }

Vocabulary Vocabulary::from_text(std::string_view text, const std::string& name) {
  if (text.size() > kMaxFileBytes) throw Error(ErrorCode::kBadFile, name + " is larger than 64 MiB", name);

  const std::string mistake = mistaken_file(WantedFile::kVocabulary, std::as_bytes(std::span(text)));
  if (!mistake.empty()) throw Error(ErrorCode::kBadFile, name + " " + mistake, name);
  if (text.starts_with("\xEF\xBB\xBF")) text.remove_prefix(3);  // the mark that editors of Windows write
  constexpr std::string_view kBlank = " \t\r\n";
  const std::size_t last = text.find_last_not_of(kBlank);
  if (last == std::string_view::npos) {
    throw Error(ErrorCode::kBadFile, name + " is empty: it should hold a token on every line", name);
  }
  text = text.substr(0, std::min(text.find('\n', last), text.size()));  // empty lines at the end say nothing
  Builder builder(text.size());  // no way to write a token is shorter than the token
  if (text[text.find_first_not_of(kBlank)] == '{') {
    const auto add = [&](std::uint64_t id, std::string_view bytes) -> std::string {
      if (id > static_cast<std::uint64_t>(kMaxId)) return "the id is not in 1..1000000";
      if (id == 0) return {};  // the end of a text, which has no bytes
      builder.pool().append(bytes);
      return builder.commit(static_cast<TokenId>(id));
    };
    if (const std::string problem = read_json_vocabulary(text, add); !problem.empty()) {
      throw Error(ErrorCode::kBadFile,
                  name + ", " + problem + R"(; as JSON a vocabulary is an object of "ID": "TEXT" or "ID": [BYTE, ...])",
                  name);
    }
    if (builder.empty()) throw Error(ErrorCode::kBadFile, name + " has no tokens", name);
    return builder.finish(0);
  }

  std::size_t number = 0;
  const auto refuse = [&](std::string_view problem) -> Error {
    std::string message = name + ", line " + std::to_string(number) + ": ";
    message += problem;
    message += "; use an RWKV World vocabulary file as published (`ID LITERAL LENGTH` on every line)";
    return Error(ErrorCode::kBadFile, message, name);
  };

  while (!text.empty()) {
    ++number;
    const std::size_t end = std::min(text.find('\n'), text.size());
    std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    if (line.ends_with('\r')) line.remove_suffix(1);

    const auto parts = split(line);
    if (!parts) throw refuse("the line is not an id, a literal and a length with spaces between them");
    const auto id = parse_decimal(parts->id);
    if (!id) throw refuse("the line does not begin with a decimal id and a space");
    if (*id < 1 || *id > static_cast<std::uint64_t>(kMaxId)) throw refuse("the id is not in 1..1000000");
    const auto length = parse_decimal(parts->length);
    if (!length) throw refuse("the line does not end in a decimal length");

    if (const auto problem = append_python_literal(parts->literal, builder.pool()); !problem.empty()) {
      throw refuse(problem);
    }
    if (builder.written() != *length) {
      throw refuse("the length is given as " + std::to_string(*length) + ", but the literal has " +
                   std::to_string(builder.written()) + " bytes");
    }
    if (const auto problem = builder.commit(static_cast<TokenId>(*id)); !problem.empty()) throw refuse(problem);
  }
  return builder.finish(0);
}

Vocabulary Vocabulary::from_gguf_tokens(std::span<const std::string_view> texts, std::span<const std::int32_t> types) {
  const auto refuse = [](const std::string& problem) {
    return Error(ErrorCode::kBadFile, "the token list of the model file is damaged: " + problem);
  };
  if (texts.size() > static_cast<std::size_t>(kMaxId) + 1) throw refuse("it has more than 1000001 tokens");
  if (!types.empty() && types.size() != texts.size()) {
    throw refuse(std::to_string(texts.size()) + " tokens, but " + std::to_string(types.size()) + " token types");
  }
  std::size_t source_bytes = 0;
  for (const std::string_view text : texts) {
    source_bytes += text.size();
    if (source_bytes > kMaxFileBytes) throw refuse("its texts have more than 64 MiB");
  }

  Builder builder(source_bytes);
  for (std::size_t i = 1; i < texts.size(); ++i) {
    const bool has_bytes = types.empty() || (types[i] != kGgufControl && types[i] != kGgufUnused);
    if (!has_bytes || texts[i].empty()) continue;
    std::string problem(append_gguf_token(texts[i], builder.pool()));
    if (problem.empty()) problem = builder.commit(static_cast<TokenId>(i));
    if (!problem.empty()) throw refuse("token " + std::to_string(i) + ": " + problem);
  }
  if (builder.empty()) throw refuse("no token has any bytes");
  return builder.finish(texts.size());
}

}  // namespace rwkv
