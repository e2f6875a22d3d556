#include "convert/checkpoint.h"

#include <utility>

#include "convert/author_names.h"
#include "formats/file_kind.h"
#include "formats/pth.h"
#include "formats/safetensors.h"

namespace rwkv::convert {

Checkpoint open_checkpoint(const std::string& path) {
  MappedFile file(path);
  std::string mistake = mistaken_file(WantedFile::kCheckpoint, file.bytes());
  if (mistake.empty()) mistake = mistaken_part(path);
  if (!mistake.empty()) throw Error(ErrorCode::kUnsupported, "'" + path + "' " + mistake);
  // A pickle without an archive around it is what torch wrote before 1.6; its reader says so.
  const std::string_view begin(reinterpret_cast<const char*>(file.bytes().data()),
                               std::min<std::size_t>(file.bytes().size(), 2));
  const bool pth = looks_like_pth(file.bytes()) || begin == "\x80\x02";
  const WeightFile weights = pth ? parse_pth(file.bytes(), path) : parse_safetensors(file.bytes(), path);
  return {std::move(file), with_author_names(weights)};
}

}  // namespace rwkv::convert
