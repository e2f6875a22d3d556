#include "formats/file_kind.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <cstdint>
#include <cstring>
#include <regex>
#include <string_view>
#include <utility>

#include "base/utf8_path.h"

namespace rwkv {
namespace {

using namespace std::string_view_literals;

constexpr std::size_t kLooksAt = 4096;
constexpr std::uint64_t kLongestHeader = std::uint64_t{64} << 20;  // of safetensors
constexpr std::size_t kQuoted = 60;

constexpr std::array kCompressed{std::pair{"\x1F\x8B"sv, "gzip"}, std::pair{"\x28\xB5\x2F\xFD"sv, "zstd"},
                                 std::pair{"7z\xBC\xAF"sv, "7-Zip"}};

const std::string kOneFile =
    "save the model again in one file (save_pretrained of transformers, with a larger max_shard_size)";

std::string_view without_blanks(std::string_view text) {
  if (text.starts_with("\xEF\xBB\xBF")) text.remove_prefix(3);
  text.remove_prefix(std::min(text.find_first_not_of(" \t\r\n"), text.size()));
  return text;
}

bool is_web_page(std::string_view text) {
  std::string begin(text.substr(0, 16));
  for (char& c : begin) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  for (const char* tag : {"<!doctype", "<html", "<head", "<?xml", "<error", "<!--"}) {
    if (begin.starts_with(tag)) return true;
  }
  return false;
}

bool is_safetensors(std::string_view text) {
  std::uint64_t header = 0;
  if (text.size() < sizeof header + 1) return false;
  std::memcpy(&header, text.data(), sizeof header);
  return header <= kLongestHeader && text[sizeof header] == '{';
}

// "1 'a' 1": an id, a blank and a literal.
bool is_vocabulary(std::string_view text) {
  std::size_t at = text.find_first_not_of("0123456789");
  if (at == 0 || at > 7 || at == std::string_view::npos || text[at++] != ' ') return false;
  if (text.substr(at).starts_with('b')) ++at;
  return at < text.size() && (text[at] == '\'' || text[at] == '"');
}

bool is_printable(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) {
    return static_cast<unsigned char>(c) >= ' ' ? c != 0x7F : c == '\n' || c == '\r' || c == '\t';
  });
}

std::string converted_first(const std::string& what) {
  return "is a " + what +
         " checkpoint, which has to be converted first with rwkv convert CHECKPOINT MODEL.gguf --vocab VOCABULARY";
}

}  // namespace

std::string mistaken_file(WantedFile wanted, std::span<const std::byte> bytes) {
  const std::string_view all(reinterpret_cast<const char*>(bytes.data()), std::min(bytes.size(), kLooksAt));
  const std::string_view text = without_blanks(all);
  const bool model = wanted == WantedFile::kModel;
  const bool checkpoint = wanted == WantedFile::kCheckpoint;

  if (text.starts_with("version https://git-lfs.github.com/") || text.starts_with("version https://hawser.")) {
    return "is a Git LFS pointer, a few lines that stand for the file; get the file itself with 'git lfs pull' or "
           "download it";
  }
  if (is_web_page(text)) {
    return "is a web page (HTML or XML), not the file itself; download from the file's own address ('/resolve/' "
           "instead of '/blob/' at Hugging Face), after logging in where that is asked for";
  }
  for (const auto& [magic, name] : kCompressed) {
    if (all.starts_with(magic)) return "is compressed with " + std::string(name) + "; unpack it first";
  }
  if (all.starts_with("GGUF")) {
    if (model) return "";
    return checkpoint ? "is a GGUF file already; convert from the .pth or .safetensors file it was made of"
                      : "is a model (GGUF), not a vocabulary";
  }
  for (const std::string_view magic : {"lmgg"sv, "fmgg"sv, "tjgg"sv}) {
    if (all.starts_with(magic)) {
      return "is a ggml file from before GGUF (rwkv.cpp writes them); convert the author's .pth instead, with rwkv "
             "convert";
    }
  }
  if (all.starts_with("RWKVSTAT")) return "is the saved state of a conversation, not a model";
  if (all.starts_with("RWKVMBLE")) return "is an .rmpack (an initial state, or a model of another engine)";
  if (all.starts_with("PK\x03\x04"sv) || all.starts_with("\x80\x02"sv)) {
    return model ? converted_first("PyTorch") : checkpoint ? "" : "is a PyTorch checkpoint, not a vocabulary";
  }
  if (is_safetensors(all)) {
    return model ? converted_first("safetensors") : checkpoint ? "" : "is a safetensors checkpoint, not a vocabulary";
  }
  if (text.starts_with('{') && is_printable(text.substr(0, 8))) {
    if (text.find("\"weight_map\"") != std::string_view::npos) {
      return "is the index of a model in several parts, not the model; " + kOneFile +
             (model ? " and convert that" : "");
    }
    if (!model && !checkpoint) return "";
    return "is JSON text, a configuration or what a server answered, not the file itself";
  }
  if (!model && !checkpoint) return "";
  if (is_vocabulary(text)) return "is a vocabulary file, not a model";
  if (!text.empty() && bytes.size() <= kLooksAt && is_printable(text)) {
    std::string begin(text.substr(0, std::min(text.find_first_of("\r\n"), kQuoted)));
    return "is a short text that begins '" + begin + "', not a " + (model ? "model file (GGUF)" : "checkpoint") +
           "; download it again";
  }
  return "";
}

std::string mistaken_part(const std::string& path) {
  static const std::regex part("-0*([0-9]{1,9})-of-0*([0-9]{1,9})\\.[A-Za-z]+$");
  const std::string name = utf8_from_path(path_from_utf8(path).filename());
  std::smatch match;
  if (!std::regex_search(name, match, part) || match[2] == "1") return "";
  return "is part " + match[1].str() + " of " + match[2].str() +
         " of a model; " + kOneFile;
}

}  // namespace rwkv
