#include "convert/token_list.h"

#include <cstdio>

#include "base/error.h"

namespace rwkv::convert {
namespace {

constexpr std::int32_t kText = 1;
constexpr std::int32_t kControl = 3;
constexpr std::int32_t kUnused = 5;

std::string escaped(std::string_view bytes) {
  std::string text;
  for (const char c : bytes) {
    switch (c) {
      case '\\': text += "\\\\"; break;
      case '\n': text += "\\n"; break;
      case '\r': text += "\\r"; break;
      case '\t': text += "\\t"; break;
      default:
        if (c >= ' ' && c <= '~') {
          text += c;
        } else {
          char code[8];
          std::snprintf(code, sizeof code, "\\x%02x", static_cast<unsigned>(static_cast<unsigned char>(c)));
          text += code;
        }
    }
  }
  return text;
}

}  // namespace

TokenList token_list(const Vocabulary& vocabulary, std::uint64_t rows) {
  if (vocabulary.size() > rows) {
    throw Error(ErrorCode::kInvalidArgument, "the vocabulary has ids up to " + std::to_string(vocabulary.size() - 1) +
                                                 ", but the model has " + std::to_string(rows) +
                                                 " tokens: take the vocabulary file that belongs to the model");
  }
  TokenList list;
  for (std::uint64_t id = 0; id < rows; ++id) {
    const std::string_view bytes = vocabulary.bytes(static_cast<TokenId>(id));
    const bool control = id == static_cast<std::uint64_t>(kEndOfText);
    list.texts.push_back(control ? "<s>" : bytes.empty() ? "[PAD" + std::to_string(id) + "]" : escaped(bytes));
    list.types.push_back(control ? kControl : bytes.empty() ? kUnused : kText);
  }
  return list;
}

}  // namespace rwkv::convert
