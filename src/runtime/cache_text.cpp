#include "runtime/cache_text.h"

#include <string_view>
#include <utility>
#include <vector>

#include "text/utf8.h"

namespace rwkv {
namespace {

// What separates the parts of a line for those who take it apart: must not occur in a text.
std::string without(std::string text, std::string_view separator) {
  for (std::size_t at = text.find(separator); at != std::string::npos; at = text.find(separator, at)) {
    text.insert(at + 1, "\\");
  }
  return text;
}

std::string escaped(std::string_view text) {
  std::string out;
  for (const char c : to_valid_utf8(text)) {
    switch (c) {
      case '\n': out += "\\n"; break;
      case '\r': out += "\\r"; break;
      case '\t': out += "\\t"; break;
      case '\b': out += "\\b"; break;
      default: out += c;
    }
  }
  return without(without(std::move(out), "text ="), ", remaining lifespan = ");
}

}  // namespace

std::string describe_cache(LanguageModel& model) {
  std::string lines;
  const std::vector<StateCache::Node> nodes = model.cache().nodes();
  for (std::size_t i = 0; i < nodes.size(); ++i) {
    lines += "text = \"" + escaped(model.tokenizer().decode(nodes[i].tokens)) +
             "\", remaining lifespan = " + std::to_string(nodes.size() - i) + "\n";
  }
  return lines;
}

}  // namespace rwkv
