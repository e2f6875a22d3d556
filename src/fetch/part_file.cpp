#include "fetch/part_file.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <iterator>
#include <system_error>
#include <vector>

#include "base/atomic_file.h"
#include "base/error.h"
#include "base/utf8_path.h"
#ifdef _WIN32
#include <io.h>
#include <share.h>
#else
#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>
#endif

namespace rwkv::fetch {
namespace {

namespace fs = std::filesystem;

#ifdef _WIN32
// Nobody else can open it meanwhile.
std::FILE* open_alone(const fs::path& path, bool) {
  if (std::FILE* file = _wfsopen(path.c_str(), L"r+b", _SH_DENYRW)) return file;
  return errno == ENOENT ? _wfsopen(path.c_str(), L"w+b", _SH_DENYRW) : nullptr;
}
bool is_taken() { return errno == EACCES; }
bool truncate(std::FILE* file) { return _chsize_s(_fileno(file), 0) == 0; }
bool sync(std::FILE* file) { return _commit(_fileno(file)) == 0; }
#else
std::FILE* open_alone(const fs::path& path, bool for_owner_only) {
  const int descriptor = open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, for_owner_only ? 0600 : 0666);
  std::FILE* file = descriptor < 0 ? nullptr : fdopen(descriptor, "r+b");
  if (file && flock(fileno(file), LOCK_EX | LOCK_NB) != 0) {
    const int code = errno;
    std::fclose(file);
    errno = code;
    return nullptr;
  }
  return file;
}
bool is_taken() { return errno == EWOULDBLOCK; }
bool truncate(std::FILE* file) { return ftruncate(fileno(file), 0) == 0; }
bool sync(std::FILE* file) { return fsync(fileno(file)) == 0; }
#endif

fs::path with(fs::path path, const char* suffix) {
  path += suffix;
  return path;
}

[[noreturn]] void fail(const fs::path& path, const char* what, const std::string& why) {
  throw Error(ErrorCode::kIo, std::string("cannot ") + what + " '" + utf8_from_path(path) + "': " + why,
              utf8_from_path(path));
}

// To the beginning or the end.
void seek(std::FILE* file, int place, const fs::path& path) {
  if (std::fseek(file, 0, place) != 0) fail(path, "read", std::strerror(errno));
}

}  // namespace

PartFile::PartFile(const std::string& path)
    : target_(target_to_write(path)),
      part_(target_to_write(utf8_from_path(with(target_, ".part")))),
      version_path_(with(part_, ".etag")),
      file_(open_alone(part_, fs::exists(target_))) {
  if (!file_) {
    if (is_taken())
      throw Error(ErrorCode::kBusy, "'" + utf8_from_path(part_) + "' is being downloaded already",
                  utf8_from_path(part_));
    fail(part_, "write", std::strerror(errno));
  }
  std::error_code error;
  size_ = fs::file_size(part_, error);
  if (error) fail(part_, "read", error.message());
  std::ifstream kept(version_path_);
  version_ = FileVersion::parse({std::istreambuf_iterator<char>(kept), {}});
}

PartFile::~PartFile() {
  if (!file_) return;
  std::fclose(file_);
  std::error_code ignored;
  if (size_ == 0) {
    fs::remove(part_, ignored);
    fs::remove(version_path_, ignored);
  }
}

void PartFile::set_version(const FileVersion& version) {
  if (version == version_) return;
  version_ = version;
  const std::string text = version.text();
  write_file_atomically(utf8_from_path(version_path_), {std::as_bytes(std::span(text))});
}

void PartFile::hash_existing(const std::function<void()>& keep_on) {
  if (hashed_) return;
  hashed_ = true;
  std::vector<std::byte> piece(std::size_t{1} << 20);
  seek(file_, SEEK_SET, part_);
  for (std::uint64_t left = size_; left > 0;) {
    keep_on();
    const std::size_t read = std::fread(piece.data(), 1, piece.size(), file_);
    if (read == 0) fail(part_, "read", std::strerror(errno));
    sha256_.update(std::span(piece.data(), read));
    left -= read;
  }
  // A stream that was read has to be positioned before it is written.
  seek(file_, SEEK_END, part_);
}

void PartFile::append(std::span<const std::byte> bytes) {
  if (std::fwrite(bytes.data(), 1, bytes.size(), file_) != bytes.size()) fail(part_, "write", std::strerror(errno));
  sha256_.update(bytes);
  size_ += bytes.size();
}

void PartFile::clear() {
  std::fflush(file_);
  if (!truncate(file_)) fail(part_, "write", std::strerror(errno));
  seek(file_, SEEK_SET, part_);
  size_ = 0;
  set_version({});
  sha256_.reset();
  hashed_ = true;
}

std::string PartFile::beginning(std::size_t most) {
  std::string text(static_cast<std::size_t>(std::min<std::uint64_t>(size_, most)), '\0');
  if (std::fflush(file_) != 0) fail(part_, "write", std::strerror(errno));
  seek(file_, SEEK_SET, part_);
  if (std::fread(text.data(), 1, text.size(), file_) != text.size()) fail(part_, "read", std::strerror(errno));
  seek(file_, SEEK_END, part_);
  return text;
}

void PartFile::finish() {
  if (std::fflush(file_) != 0 || !sync(file_)) fail(part_, "write", std::strerror(errno));
  const bool closed = std::fclose(file_) == 0;
  file_ = nullptr;
  if (!closed) fail(part_, "write", std::strerror(errno));
  take_place(part_, target_);
  std::error_code error;
  fs::remove(version_path_, error);
}

void PartFile::discard() {
  std::fclose(file_);
  file_ = nullptr;
  std::error_code ignored;
  fs::remove(part_, ignored);
  fs::remove(version_path_, ignored);
}

std::uint64_t PartFile::free_disk_bytes() const {
  std::error_code error;
  const fs::path folder = target_.parent_path();
  const auto space = fs::space(folder.empty() ? fs::path(".") : folder, error);
  return error ? UINT64_MAX : space.available;
}

}  // namespace rwkv::fetch
