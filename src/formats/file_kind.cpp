#include "formats/file_kind.h"

#include <algorithm>
#include <cctype>
#include <cstdint>
#include <cstring>
#include <regex>
#include <string_view>

#include <nlohmann/json.hpp>

#include "base/utf8_path.h"

namespace rwkv {
namespace {

using namespace std::string_view_literals;

constexpr std::size_t kShort = 4096;
constexpr std::uint64_t kLongestHeader = std::uint64_t{64} << 20;  // of safetensors
constexpr std::size_t kQuoted = 60;

struct Beginning {
  std::string_view bytes;
  FileKind kind;
};
constexpr Beginning kBeginnings[] = {
    {"GGUF"sv, FileKind::kGguf},
    {"lmgg"sv, FileKind::kOldGgml},
    {"fmgg"sv, FileKind::kOldGgml},
    {"tjgg"sv, FileKind::kOldGgml},
    {"RWKVSTAT"sv, FileKind::kSavedState},
    {"RWKVMBLE"sv, FileKind::kRmpack},
    {"PK\x03\x04"sv, FileKind::kPyTorch},
    {"\x80\x02"sv, FileKind::kPyTorch},
    {"\x1F\x8B"sv, FileKind::kGzip},
    {"\x28\xB5\x2F\xFD"sv, FileKind::kZstd},
    {"7z\xBC\xAF"sv, FileKind::kSevenZip},
    {"\xA5\x67"
     "context"sv,
     FileKind::kPrefab},
};

const std::string kOneFile =
    "save the model again in one file (save_pretrained of transformers, with a larger max_shard_size)";

std::string_view text_of(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

std::string_view without_blanks(std::string_view text) {
  if (text.starts_with("\xEF\xBB\xBF")) text.remove_prefix(3);
  text.remove_prefix(std::min(text.find_first_not_of(" \t\r\n"), text.size()));
  return text;
}

bool is_lfs_pointer(std::string_view text) {
  return text.starts_with("version https://git-lfs.github.com/") || text.starts_with("version https://hawser.");
}

// A tag, whatever its name: servers answer with all kinds of XML.
bool is_page(std::string_view text) {
  if (text.size() < 2 || text[0] != '<') return false;
  const bool tag = text[1] == '!' || text[1] == '?' || std::isalpha(static_cast<unsigned char>(text[1])) != 0;
  // The length of a safetensors header may begin with the same bytes; zeros follow it.
  return tag && text.substr(0, 8).find('\0') == std::string_view::npos;
}

// A mark of the byte order and a letter of ASCII.
bool is_utf16(std::string_view text) {
  if (text.size() < 4) return false;
  return (text.starts_with("\xFF\xFE") && text[2] != 0 && text[3] == 0) ||
         (text.starts_with("\xFE\xFF") && text[2] == 0 && text[3] != 0);
}

// {"error": "..."} and its like. A vocabulary may have such a token; then it is a number that stands there.
bool is_server_error(std::string_view text) {
  const auto json = nlohmann::json::parse(text, nullptr, false);
  if (!json.is_object()) return false;
  for (const char* key : {"error", "errors", "message", "detail", "error_message", "Message"}) {
    const auto found = json.find(key);
    if (found != json.end() && (found->is_string() || found->is_object() || found->is_array())) return true;
  }
  return false;
}

bool is_safetensors(std::string_view text) {
  std::uint64_t header = 0;
  if (text.size() < sizeof header + 1) return false;
  std::memcpy(&header, text.data(), sizeof header);
  return header <= kLongestHeader && text[sizeof header] == '{';
}

// A protobuf: field 1, the version of the format, then a text (field 2, the producer) or the graph (field 7).
bool is_onnx(std::string_view text) {
  constexpr int kNewestVersion = 32;
  return text.size() > 4 && text[0] == '\x08' && text[1] > 0 && text[1] <= kNewestVersion &&
         (text[2] == '\x12' || text[2] == '\x3A');
}

// MNN's models are FlatBuffers without a magic: an offset to a table, which begins with the distance to the table of
// its fields, whose sizes and places have to agree.
bool is_mnn(std::string_view text) {
  const auto number = [&](std::size_t at, auto value) {
    std::memcpy(&value, text.data() + at, sizeof value);
    return value;
  };
  if (text.size() < 32) return false;
  const std::size_t root = number(0, std::uint32_t{});
  if (root < 8 || root % 4 != 0 || root > text.size() - 4) return false;
  const std::int64_t fields = static_cast<std::int64_t>(root) - number(root, std::int32_t{});
  if (fields < 4 || fields % 2 != 0 || fields > static_cast<std::int64_t>(text.size()) - 4) return false;
  const auto at = static_cast<std::size_t>(fields);
  const std::size_t table_bytes = number(at, std::uint16_t{});
  const std::size_t object_bytes = number(at + 2, std::uint16_t{});
  // A net has some dozen fields, its operations among them.
  if (table_bytes < 6 || table_bytes % 2 != 0 || table_bytes > 128 || object_bytes < 8 || object_bytes > 512)
    return false;
  if (at + table_bytes > text.size() || root + object_bytes > text.size()) return false;
  bool has_fields = false;
  for (std::size_t i = 4; i < table_bytes; i += 2) {
    const std::size_t place = number(at + i, std::uint16_t{});
    if (place != 0 && (place < 4 || place >= object_bytes)) return false;
    has_fields = has_fields || place != 0;
  }
  return has_fields;
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

std::string name_of(WantedFile wanted) {
  switch (wanted) {
    case WantedFile::kModel: return "a model file (GGUF)";
    case WantedFile::kEncoder: return "an encoder (GGUF)";
    case WantedFile::kCheckpoint: return "a checkpoint";
    case WantedFile::kVocabulary: return "a vocabulary";
    case WantedFile::kSavedState: return "the saved state of a conversation";
    case WantedFile::kInitialState: return "a tuned initial state (.pth or .rmpack)";
  }
  return "";
}

std::string encoder_first(const std::string& what) {
  return "is a " + what +
         " checkpoint, which has to be converted first with rwkv convert --kind vision CHECKPOINT ENCODER.gguf (--kind "
         "audio for sound)";
}

// Companions of models for other engines, as apps have them.
std::string of_another_engine(const std::string& what, WantedFile wanted) {
  const std::string said = "is " + what + ", which another engine runs, not " + name_of(wanted);
  switch (wanted) {
    case WantedFile::kModel: return said + "; get the model as GGUF";
    case WantedFile::kEncoder:
      return said +
             "; use the encoder and its adapter as GGUF, made of their public checkpoint (.safetensors, .pth) with "
             "rwkv "
             "convert --kind vision CHECKPOINT ENCODER.gguf (--kind audio for sound)";
    case WantedFile::kCheckpoint: return said + "; convert from the .pth or .safetensors file it was made of";
    default: return said;
  }
}

FileKind kind_of_json(std::string_view text) {
  if (text.find("\"weight_map\"") != std::string_view::npos) return FileKind::kIndex;
  return is_server_error(text) ? FileKind::kServerError : FileKind::kJson;
}

std::string text_instead(std::string_view text, WantedFile wanted) {
  const std::string begin(text.substr(0, std::min(text.find_first_of("\r\n"), kQuoted)));
  return "is a short text that begins '" + begin + "', not " + name_of(wanted) + "; download it again";
}

}  // namespace

FileKind file_kind(std::span<const std::byte> bytes) {
  const std::string_view all = text_of(bytes).substr(0, kKindLooksAt);
  const std::string_view text = without_blanks(all);
  if (is_lfs_pointer(text)) return FileKind::kLfsPointer;
  if (is_page(text)) return FileKind::kPage;
  for (const Beginning& beginning : kBeginnings) {
    if (all.starts_with(beginning.bytes)) return beginning.kind;
  }
  if (is_utf16(all)) return FileKind::kUtf16;
  if (is_safetensors(all)) return FileKind::kSafetensors;
  if (text.starts_with('{') && is_printable(text.substr(0, 8))) return kind_of_json(text);
  if (is_vocabulary(text)) return FileKind::kVocabulary;
  if (!text.empty() && bytes.size() <= kShort && is_printable(text)) return FileKind::kShortText;
  if (is_onnx(all)) return FileKind::kOnnx;
  if (is_mnn(all)) return FileKind::kMnn;
  return FileKind::kUnknown;
}

std::string mistaken_file(WantedFile wanted, std::span<const std::byte> bytes) {
  const bool model = wanted == WantedFile::kModel;
  const bool encoder = wanted == WantedFile::kEncoder;
  const bool checkpoint = wanted == WantedFile::kCheckpoint;
  const bool vocabulary = wanted == WantedFile::kVocabulary;
  const auto not_wanted = [&](const std::string& what) { return "is " + what + ", not " + name_of(wanted); };
  const auto compressed = [](const std::string& with) { return "is compressed with " + with + "; unpack it first"; };
  switch (file_kind(bytes)) {
    case FileKind::kLfsPointer:
      return "is a Git LFS pointer, a few lines that stand for the file; get the file itself with 'git lfs pull' or "
             "download it";
    case FileKind::kPage:
      return "is a web page (HTML or XML), not the file itself; download from the file's own address ('/resolve/' "
             "instead of '/blob/' at Hugging Face), after logging in where that is asked for";
    case FileKind::kServerError:
      return "is JSON text, an error that a server answered, not the file itself; download it again";
    case FileKind::kGzip: return compressed("gzip");
    case FileKind::kZstd: return compressed("zstd");
    case FileKind::kSevenZip: return compressed("7-Zip");
    case FileKind::kGguf:
      if (model || encoder) return "";
      return checkpoint ? "is a GGUF file already; convert from the .pth or .safetensors file it was made of"
                        : not_wanted("a model (GGUF)");
    case FileKind::kOldGgml:
      if (encoder) return "";
      return "is a ggml file from before GGUF (rwkv.cpp writes them); convert the author's .pth instead, with rwkv "
             "convert";
    case FileKind::kOnnx: return of_another_engine("an ONNX model", wanted);
    case FileKind::kMnn: return of_another_engine("an MNN model", wanted);
    case FileKind::kSavedState:
      return wanted == WantedFile::kSavedState ? "" : not_wanted("the saved state of a conversation");
    case FileKind::kRmpack:
      if (wanted == WantedFile::kInitialState) return "";
      return not_wanted("an .rmpack (an initial state, or a model of another engine)");
    case FileKind::kPyTorch:
      if (model) return converted_first("PyTorch");
      if (encoder) return encoder_first("PyTorch");
      return checkpoint || wanted == WantedFile::kInitialState ? "" : not_wanted("a PyTorch checkpoint");
    case FileKind::kSafetensors:
      if (model) return converted_first("safetensors");
      if (encoder) return encoder_first("safetensors");
      return checkpoint ? "" : not_wanted("a safetensors checkpoint");
    case FileKind::kPrefab:
      if (model) return converted_first("web-rwkv (.prefab)");
      return checkpoint ? "" : not_wanted("a model of web-rwkv (.prefab)");
    case FileKind::kIndex:
      return "is the index of a model in several parts, not the model; " + kOneFile +
             (model ? " and convert that" : "");
    case FileKind::kJson:
      return vocabulary ? "" : "is JSON text, a configuration or what a server answered, not the file itself";
    case FileKind::kVocabulary: return vocabulary ? "" : not_wanted("a vocabulary file");
    case FileKind::kUtf16:
      return vocabulary ? "is UTF-16 text; save it as UTF-8" : "is UTF-16 text, not the file itself; download it again";
    case FileKind::kShortText: return vocabulary ? "" : text_instead(without_blanks(text_of(bytes)), wanted);
    case FileKind::kUnknown: break;
  }
  return "";
}

std::string mistaken_part(const std::string& path) {
  static const std::regex part("-0*([0-9]{1,9})-of-0*([0-9]{1,9})\\.[A-Za-z]+$");
  const std::string name = utf8_from_path(path_from_utf8(path).filename());
  std::smatch match;
  if (!std::regex_search(name, match, part) || match[2] == "1") return "";
  return "is part " + match[1].str() + " of " + match[2].str() + " of a model; " + kOneFile;
}

}  // namespace rwkv
