#include "fetch/whole_file.h"

#include "base/error_of.h"
#include "base/mapped_file.h"
#include "formats/file_kind.h"
#include "formats/gguf.h"
#include "formats/safetensors.h"
#include "formats/zip_archive.h"

namespace rwkv::fetch {

bool is_whole_by_its_header(const std::string& path) {
  bool known = true;
  const auto error = error_of([&] {
    const MappedFile file(path);
    switch (file_kind(file.bytes())) {
      case FileKind::kGguf: GgufFile::parse(file.bytes(), path); break;
      case FileKind::kPyTorch: parse_zip(file.bytes(), path); break;
      case FileKind::kSafetensors: parse_safetensors(file.bytes(), path); break;
      default: known = false;
    }
  });
  return known && !error;
}

}  // namespace rwkv::fetch
