#include "convert/checkpoint.h"

#include <utility>

#include "formats/pth.h"
#include "formats/safetensors.h"

namespace rwkv::convert {

Checkpoint open_checkpoint(const std::string& path) {
  MappedFile file(path);
  const std::string_view begin(reinterpret_cast<const char*>(file.bytes().data()),
                               std::min<std::size_t>(file.bytes().size(), 4));
  if (begin == "GGUF") {
    throw Error(ErrorCode::kUnsupported,
                "'" + path + "' is a GGUF file already; convert from the .pth or .safetensors file it was made of");
  }
  // A pickle without an archive around it is what torch wrote before 1.6; its reader says so.
  const bool pth = looks_like_pth(file.bytes()) || begin.starts_with("\x80\x02");
  WeightFile weights = pth ? parse_pth(file.bytes(), path) : parse_safetensors(file.bytes(), path);
  return {std::move(file), std::move(weights)};
}

}  // namespace rwkv::convert
