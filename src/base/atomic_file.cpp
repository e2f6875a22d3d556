#include "base/atomic_file.h"

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <system_error>

#include "base/error.h"
#include "base/utf8_path.h"
#ifdef _WIN32
#include <fcntl.h>
#include <io.h>
#include <process.h>
#include <sys/stat.h>
#include <windows.h>
#else
#include <fcntl.h>
#include <unistd.h>
#endif

namespace rwkv {
namespace {

namespace fs = std::filesystem;

#ifdef _WIN32
// The C runtime of MinGW, which is the system's old one, does not know the mode "x".
std::FILE* open_new(const fs::path& path) {
  const int descriptor =
      _wopen(path.c_str(), _O_WRONLY | _O_CREAT | _O_EXCL | _O_BINARY | _O_NOINHERIT, _S_IREAD | _S_IWRITE);
  return descriptor < 0 ? nullptr : _fdopen(descriptor, "wb");
}
bool sync(std::FILE* file) { return _commit(_fileno(file)) == 0; }
void sync_folder(const fs::path&) {}
int process_id() { return _getpid(); }
std::ptrdiff_t write_some(std::FILE* file, std::uint64_t offset, std::span<const std::byte> bytes) {
  OVERLAPPED place{};
  place.Offset = static_cast<DWORD>(offset);
  place.OffsetHigh = static_cast<DWORD>(offset >> 32);
  const auto size = static_cast<DWORD>(std::min<std::size_t>(bytes.size(), 1u << 30));
  DWORD written = 0;
  const auto handle = reinterpret_cast<HANDLE>(_get_osfhandle(_fileno(file)));
  errno = EIO;
  return WriteFile(handle, bytes.data(), size, &written, &place) ? static_cast<std::ptrdiff_t>(written) : -1;
}
#else
std::FILE* open_new(const fs::path& path) { return std::fopen(path.c_str(), "wbxe"); }
bool sync(std::FILE* file) { return fsync(fileno(file)) == 0; }
// Makes the rename itself last; where a file system cannot, there is nothing to be done.
void sync_folder(const fs::path& folder) {
  const int descriptor = open(folder.empty() ? "." : folder.c_str(), O_RDONLY | O_CLOEXEC);
  if (descriptor < 0) return;
  static_cast<void>(fsync(descriptor));
  close(descriptor);
}
int process_id() { return getpid(); }
std::ptrdiff_t write_some(std::FILE* file, std::uint64_t offset, std::span<const std::byte> bytes) {
  while (true) {
    const ssize_t written = pwrite(fileno(file), bytes.data(), bytes.size(), static_cast<off_t>(offset));
    if (written >= 0 || errno != EINTR) return written;
  }
}
#endif

[[noreturn]] void fail(const std::string& path, const std::string& what, int code) {
  throw Error(ErrorCode::kIo, "cannot " + what + " '" + path + "': " + std::strerror(code));
}

}  // namespace

AtomicFile::AtomicFile(const std::string& path) : path_(path) {
  if (path.empty() || path.find('\0') != std::string::npos) {
    throw Error(ErrorCode::kInvalidArgument, "a file to write needs a path without NUL characters");
  }
  static std::atomic<std::uint32_t> counter{0};
  temporary_ = path_from_utf8(path);
  temporary_ += "." + std::to_string(process_id()) + "-" + std::to_string(counter++) + ".tmp";
  file_ = open_new(temporary_);
  if (!file_) fail(path, "write", errno);
}

AtomicFile::~AtomicFile() {
  if (file_) std::fclose(file_);
  std::error_code ignored;
  if (!temporary_.empty()) fs::remove(temporary_, ignored);
}

void AtomicFile::write_at(std::uint64_t offset, std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    const std::ptrdiff_t written = write_some(file_, offset, bytes);
    if (written <= 0) fail(path_, "write", errno);
    offset += static_cast<std::uint64_t>(written);
    bytes = bytes.subspan(static_cast<std::size_t>(written));
  }
}

std::string AtomicFile::temporary_path() const { return utf8_from_path(temporary_); }

void AtomicFile::commit() {
  if (!sync(file_)) fail(path_, "write", errno);
  const bool closed = std::fclose(file_) == 0;
  file_ = nullptr;
  if (!closed) fail(path_, "write", errno);
  const fs::path target = path_from_utf8(path_);
  std::error_code error;
  fs::rename(temporary_, target, error);
  if (error) throw Error(ErrorCode::kIo, "cannot write '" + path_ + "': " + error.message());
  temporary_.clear();
  sync_folder(target.parent_path());
}

void write_file_atomically(const std::string& path, const std::vector<std::span<const std::byte>>& parts) {
  AtomicFile file(path);
  std::uint64_t offset = 0;
  for (const auto& part : parts) {
    file.write_at(offset, part);
    offset += part.size();
  }
  file.commit();
}

}  // namespace rwkv
