#include "convert/checkpoint.h"

#include <filesystem>
#include <utility>

#include "base/utf8_path.h"
#include "convert/author_names.h"
#include "formats/file_kind.h"
#include "formats/pth.h"
#include "formats/safetensors.h"

namespace rwkv::convert {

Checkpoint open_checkpoint(const std::string& path) {
  std::error_code ignored;
  if (std::filesystem::is_directory(path_from_utf8(path), ignored)) {
    throw Error(ErrorCode::kIo, "'" + path + "' is a folder; name the .pth or .safetensors file in it", path);
  }
  MappedFile file(path);
  std::string mistake = mistaken_file(WantedFile::kCheckpoint, file.bytes());
  if (mistake.empty()) mistake = mistaken_part(path);
  if (!mistake.empty()) throw Error(ErrorCode::kUnsupported, "'" + path + "' " + mistake, path);
  const bool pth = file_kind(file.bytes()) == FileKind::kPyTorch;
  const WeightFile weights = pth ? parse_pth(file.bytes(), path) : parse_safetensors(file.bytes(), path);
  return {std::move(file), with_author_names(weights)};
}

}  // namespace rwkv::convert
