#include "engine/source.h"

#include <cstring>
#include <filesystem>
#include <system_error>
#include <utility>

#include "base/error.h"
#include "base/list_folder.h"
#include "base/utf8_path.h"

namespace rwkv {
namespace {

bool names_a_folder(const std::string& path) {
  if (path.find('\0') != std::string::npos) return false;
  std::error_code ignored;
  return std::filesystem::is_directory(path_from_utf8(path), ignored);
}

}  // namespace

ModelSource::ModelSource(const std::string& path) : path_(path) {
  if (!names_a_folder(path)) file_ = std::make_shared<const MappedFile>(path);
}

std::span<const std::byte> ModelSource::bytes() const {
  if (!file_) throw Error(ErrorCode::kIo, "'" + path_ + "' is a folder, not a file", path_);
  return file_->bytes();
}

const std::vector<std::string>& ModelSource::entries() const {
  if (entries_) return *entries_;
  std::vector<std::string> names;
  if (!file_) {
    std::error_code code;
    names = names_in(path_from_utf8(path_), code);
    if (code) throw Error(ErrorCode::kIo, "cannot list the folder '" + path_ + "': " + code.message(), path_);
  }
  return entries_.emplace(std::move(names));
}

bool ModelSource::begins_with(std::string_view magic) const noexcept {
  return file_ && file_->bytes().size() >= magic.size() &&
         std::memcmp(file_->bytes().data(), magic.data(), magic.size()) == 0;
}

bool ModelSource::is_gguf() const noexcept { return begins_with("GGUF"); }

const GgufFile& ModelSource::gguf() const { return gguf_ ? *gguf_ : gguf_.emplace(GgufFile::parse(bytes(), path_)); }

const RwkvPassport& ModelSource::passport() const {
  return passport_ ? *passport_ : passport_.emplace(check_rwkv_model(gguf()));
}

bool ModelSource::is_rmpack() const noexcept { return begins_with("RWKVMBLE"); }

const RmpackFile& ModelSource::rmpack() const {
  return rmpack_ ? *rmpack_ : rmpack_.emplace(parse_rmpack(bytes(), path_));
}

}  // namespace rwkv
