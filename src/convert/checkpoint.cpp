#include "convert/checkpoint.h"

#include <algorithm>
#include <array>
#include <filesystem>
#include <functional>
#include <nlohmann/json.hpp>
#include <set>
#include <string_view>
#include <utility>

#include "base/list_folder.h"
#include "base/utf8_path.h"
#include "convert/author_names.h"
#include "formats/file_kind.h"
#include "formats/mlx_weights.h"
#include "formats/prefab.h"
#include "formats/pth.h"
#include "formats/safetensors.h"

namespace rwkv::convert {
namespace {

constexpr const char* kIndex = "model.safetensors.index.json";
constexpr const char* kConfig = "config.json";
constexpr const char* kVocabulary = "rwkv_vocab_v20230424.txt";
constexpr std::uint64_t kMostJsonBytes = std::uint64_t{64} << 20;
constexpr std::size_t kMostParts = 1000;
constexpr std::array<std::string_view, 4> kEndings{".safetensors", ".st", ".pth", ".prefab"};

bool has_file(const std::filesystem::path& path) {
  std::error_code ignored;
  return std::filesystem::is_regular_file(path, ignored);
}

nlohmann::json read_json(const std::filesystem::path& path) {
  const MappedFile file(utf8_from_path(path));
  const auto bytes = file.bytes();
  const auto* text = reinterpret_cast<const char*>(bytes.data());
  auto json = bytes.size() > kMostJsonBytes ? nlohmann::json(nlohmann::json::value_t::discarded)
                                            : nlohmann::json::parse(text, text + bytes.size(), nullptr, false);
  if (!json.is_object()) throw Error(ErrorCode::kBadFile, "'" + file.path() + "' is no JSON object", file.path());
  return json;
}

// Names of files in the index's own folder.
std::set<std::string> parts_of(const std::filesystem::path& index) {
  const auto json = read_json(index);
  const auto refuse = [&](const std::string& what) {
    throw Error(ErrorCode::kBadFile, "'" + utf8_from_path(index) + "' is an index " + what, utf8_from_path(index));
  };
  const auto map = json.find("weight_map");
  if (map == json.end() || !map->is_object()) refuse("with no 'weight_map'");
  std::set<std::string> parts;
  for (const auto& [tensor, file] : map->items()) {
    if (!file.is_string()) refuse("that names no file for '" + tensor.substr(0, 64) + "'");
    const auto& name = file.get_ref<const std::string&>();
    if (name.empty() || name.find_first_of("/\\:") != std::string::npos || name.starts_with('.')) {
      refuse("that names '" + name.substr(0, 64) + "', which is no file beside it");
    }
    parts.insert(name);
    if (parts.size() > kMostParts) refuse("that names more files than any model has");
  }
  if (parts.empty()) refuse("that names no files");
  return parts;
}

// What a folder's checkpoint is made of.
std::vector<std::filesystem::path> files_in(const std::filesystem::path& folder) {
  std::vector<std::filesystem::path> files;
  if (has_file(folder / kIndex)) {
    for (const std::string& part : parts_of(folder / kIndex)) {
      files.push_back(folder / path_from_utf8(part));
      if (has_file(files.back())) continue;
      const std::string missing = utf8_from_path(files.back());
      throw Error(ErrorCode::kNotFound, "'" + missing + "' is missing, which the index names; get all parts", missing);
    }
    return files;
  }
  std::error_code unread;
  for (const std::string& name : names_in(folder, unread)) {
    const auto ends = [&](std::string_view ending) { return name.ends_with(ending); };
    if (std::any_of(kEndings.begin(), kEndings.end(), ends)) files.push_back(folder / path_from_utf8(name));
  }
  if (files.size() == 1) return files;
  throw Error(ErrorCode::kIo,
              "'" + utf8_from_path(folder) + "' is a folder with " +
                  (files.empty() ? "no checkpoint" : std::to_string(files.size()) + " checkpoints") +
                  "; name the .pth or .safetensors file in it",
              utf8_from_path(folder));
}

WeightFile parse(const MappedFile& file) {
  switch (file_kind(file.bytes())) {
    case FileKind::kPyTorch: return parse_pth(file.bytes(), file.path());
    case FileKind::kPrefab: return parse_prefab(file.bytes(), file.path());
    default: return parse_safetensors(file.bytes(), file.path());
  }
}

Checkpoint open_files(const std::string& name, const std::vector<std::filesystem::path>& paths) {
  Checkpoint checkpoint{{}, WeightFile(name), {}};
  std::vector<WeightStorage> storages;
  for (const std::filesystem::path& path : paths) {
    const MappedFile& file = checkpoint.files.emplace_back(utf8_from_path(path));
    const std::string mistake = mistaken_file(WantedFile::kCheckpoint, file.bytes());
    if (!mistake.empty()) throw Error(ErrorCode::kUnsupported, "'" + file.path() + "' " + mistake, file.path());
    const WeightFile part = parse(file);
    const ByteReader reader({}, part.name());
    for (const auto& [of, tensor] : part.tensors()) checkpoint.weights.add(reader, tensor);
    storages.insert(storages.end(), part.storages().begin(), part.storages().end());
  }
  checkpoint.weights.set_storages(std::move(storages));
  return checkpoint;
}

// Checkpoints of ModRWKV have an encoder and its adapter beside the language model.
WeightFile language_model_of(const WeightFile& weights) {
  constexpr std::string_view kLanguage = "llm.";
  WeightFile language(weights.name());
  const ByteReader reader({}, weights.name());
  for (const auto& [name, tensor] : weights.tensors()) {
    if (name.starts_with(kLanguage)) language.add(reader, tensor);
  }
  if (language.tensors().empty()) return weights;
  language.set_storages(weights.storages());
  return language;
}

}  // namespace

std::uint64_t Checkpoint::bytes() const noexcept {
  std::uint64_t sum = 0;
  for (const MappedFile& file : files) sum += file.bytes().size();
  return sum;
}

const MappedFile& Checkpoint::file_of(std::span<const std::byte> part) const {
  const auto holds = [&](const MappedFile& file) {
    const std::byte* begin = file.bytes().data();
    return !std::less<>()(part.data(), begin) && !std::less<>()(begin + file.bytes().size(), part.data() + part.size());
  };
  const auto found = std::find_if(files.begin(), files.end(), holds);
  if (found == files.end()) throw Error(ErrorCode::kInternal, "a tensor lies in none of its checkpoint's files");
  return *found;
}

Checkpoint open_weights(const std::string& path) {
  const std::filesystem::path given = path_from_utf8(path);
  std::error_code ignored;
  const bool is_folder = std::filesystem::is_directory(given, ignored);
  const std::filesystem::path folder = is_folder ? given : given.parent_path();
  const std::string file_name = utf8_from_path(given.filename());
  const bool is_part = !is_folder && has_file(folder / kIndex) &&
                       (file_name == kIndex || (has_file(given) && parts_of(folder / kIndex).contains(file_name)));
  const bool whole_folder = is_folder || is_part;
  if (!whole_folder) {
    const MappedFile file(path);
    std::string mistake = mistaken_file(WantedFile::kCheckpoint, file.bytes());
    if (mistake.empty()) mistake = mistaken_part(path);
    if (!mistake.empty()) throw Error(ErrorCode::kUnsupported, "'" + path + "' " + mistake, path);
  }
  Checkpoint checkpoint = open_files(path, whole_folder ? files_in(folder) : std::vector{given});
  if (has_mlx_weights(checkpoint.weights)) {
    checkpoint.weights = with_mlx_weights_joined(
        checkpoint.weights, has_file(folder / kConfig) ? read_json(folder / kConfig) : nlohmann::json());
  }
  if (whole_folder && has_file(folder / kVocabulary)) checkpoint.vocabulary = utf8_from_path(folder / kVocabulary);
  return checkpoint;
}

Checkpoint open_checkpoint(const std::string& path) {
  Checkpoint checkpoint = open_weights(path);
  checkpoint.weights = with_author_names(language_model_of(checkpoint.weights));
  return checkpoint;
}

std::string name_of_source(const std::string& path) {
  const auto file = path_from_utf8(path);  // of a folder it may end with a slash
  return utf8_from_path(file.has_filename() ? file.stem() : file.parent_path().filename());
}

}  // namespace rwkv::convert
