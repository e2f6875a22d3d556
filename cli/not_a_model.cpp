#include "not_a_model.h"

#include <nlohmann/json.hpp>

#include "base/error_of.h"
#include "base/mapped_file.h"
#include "formats/gguf.h"
#include "formats/pth.h"
#include "formats/safetensors.h"
#include "formats/zip_archive.h"
#include "http_answer.h"

namespace rwkv::cli {
namespace {

bool is_error(std::string_view text) {
  const auto json = nlohmann::json::parse(text, nullptr, false);
  if (!json.is_object()) return false;
  for (const char* key : {"error", "errors", "message", "detail", "error_message", "Message"}) {
    const auto found = json.find(key);
    // A vocabulary may have such a token; then it is a number that stands there.
    if (found != json.end() && (found->is_string() || found->is_object() || found->is_array())) return true;
  }
  return false;
}

}  // namespace

std::string what_came_instead(std::string_view text) {
  text = text.substr(0, kLookedAt);
  if (text.starts_with("\xEF\xBB\xBF")) text.remove_prefix(3);
  text.remove_prefix(std::min(text.size(), text.find_first_not_of(" \t\r\n")));
  if (text.starts_with("version https://git-lfs.github.com/spec/")) return "a Git LFS pointer";
  if (text.starts_with('{') && is_error(text)) return "an error message in JSON";
  // The length of a safetensors header may begin with the same byte; zeros follow it.
  if (text.size() < 2 || text[0] != '<' || text.substr(0, 8).find('\0') != std::string_view::npos) return "";
  const std::string tag = lower(text.substr(1, 16));
  if (tag.starts_with("?xml")) return "an XML document";
  const bool letter = tag[0] >= 'a' && tag[0] <= 'z';
  if (!letter && !tag.starts_with("!")) return "";
  const bool html = tag.starts_with("!doctype html") || tag.starts_with("html") || tag.starts_with("head") ||
                    tag.starts_with("body") || tag.starts_with("!--");
  return html ? "a web page" : "a web page or an XML document";
}

bool is_whole_by_its_header(const std::string& path) {
  bool whole = false;
  const auto error = error_of([&] {
    const MappedFile file(path);
    const std::span<const std::byte> bytes = file.bytes();
    const std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    if (text.starts_with("GGUF")) {
      GgufFile::parse(bytes, path);
    } else if (looks_like_pth(bytes)) {
      parse_zip(bytes, path);
    } else if (text.size() > 8 && text[8] == '{') {
      parse_safetensors(bytes, path);
    } else {
      return;
    }
    whole = true;
  });
  return whole && !error;
}

}  // namespace rwkv::cli
