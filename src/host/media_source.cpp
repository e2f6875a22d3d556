#include "host/media_source.h"

#include "runtime/chat_template.h"

namespace rwkv::host {
namespace {

constexpr std::string_view kReplacement = "\xEF\xBF\xBD";  // U+FFFD

}  // namespace

std::string plain_text(std::string_view text) {
  std::string plain;
  for (const char c : text) {
    if (c == kMediaMark) {
      plain += kReplacement;
    } else {
      plain += c;
    }
  }
  return plain;
}

TaggedText find_pictures(std::string_view text, std::string_view tag) {
  TaggedText found;
  const std::string start = "<" + std::string(tag) + ">";
  const std::string end = "</" + std::string(tag) + ">";
  while (!tag.empty()) {
    const std::size_t begins = text.find(start);
    const std::size_t ends = begins == std::string_view::npos ? begins : text.find(end, begins + start.size());
    if (ends == std::string_view::npos) break;
    found.text += plain_text(text.substr(0, begins));
    found.text += kMediaMark;
    found.pictures.push_back({std::string(text.substr(begins + start.size(), ends - begins - start.size())), {}});
    text.remove_prefix(ends + end.size());
  }
  if (found.pictures.empty()) {
    found.text = text;
  } else {
    found.text += plain_text(text);
  }
  return found;
}

}  // namespace rwkv::host
