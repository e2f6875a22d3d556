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
#include <sys/stat.h>
#include <unistd.h>
#endif

namespace rwkv {
namespace {

namespace fs = std::filesystem;

#ifdef _WIN32
// The C runtime of MinGW, which is the system's old one, does not know the mode "x".
std::FILE* open_new(const fs::path& path, bool) {
  const int descriptor =
      _wopen(path.c_str(), _O_WRONLY | _O_CREAT | _O_EXCL | _O_BINARY | _O_NOINHERIT, _S_IREAD | _S_IWRITE);
  return descriptor < 0 ? nullptr : _fdopen(descriptor, "wb");
}
bool sync(std::FILE* file) { return _commit(_fileno(file)) == 0; }
void sync_folder(const fs::path&) {}
void keep_mode_and_owner(const fs::path&, const fs::path&) {}
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
std::FILE* open_new(const fs::path& path, bool for_owner_only) {
  const int descriptor = open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, for_owner_only ? 0600 : 0666);
  return descriptor < 0 ? nullptr : fdopen(descriptor, "wb");
}
bool sync(std::FILE* file) { return fsync(fileno(file)) == 0; }
// Makes the rename itself last; where a file system cannot, there is nothing to be done.
void sync_folder(const fs::path& folder) {
  const int descriptor = open(folder.empty() ? "." : folder.c_str(), O_RDONLY | O_CLOEXEC);
  if (descriptor < 0) return;
  static_cast<void>(fsync(descriptor));
  close(descriptor);
}
// `complete` gets those of `replaced`. Where the group cannot stay, another one must not get what it was allowed.
void keep_mode_and_owner(const fs::path& complete, const fs::path& replaced) {
  struct stat old{};
  struct stat now{};
  if (stat(replaced.c_str(), &old) != 0 || stat(complete.c_str(), &now) != 0) return;
  mode_t mode = old.st_mode & 0777;
  // Only root may give files away; others keep at least the group.
  if (old.st_uid != now.st_uid && chown(complete.c_str(), old.st_uid, old.st_gid) == 0) now.st_gid = old.st_gid;
  if (old.st_gid != now.st_gid && chown(complete.c_str(), static_cast<uid_t>(-1), old.st_gid) != 0) mode &= 0707;
  if (mode != (now.st_mode & 0777) && chmod(complete.c_str(), mode) != 0) {
    throw Error(
        ErrorCode::kIo,
        "cannot give '" + utf8_from_path(complete) + "' the mode of the file it replaces: " + std::strerror(errno),
        utf8_from_path(complete));
  }
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
  throw Error(ErrorCode::kIo, "cannot " + what + " '" + path + "': " + std::strerror(code), path);
}

[[noreturn]] void refuse(const fs::path& path, const std::string& why) {
  throw Error(ErrorCode::kIo, "cannot write '" + utf8_from_path(path) + "': " + why, utf8_from_path(path));
}

const char* name_of(fs::file_type type) {
  switch (type) {
    case fs::file_type::directory: return "a folder";
    case fs::file_type::character:
    case fs::file_type::block: return "a device";
    case fs::file_type::fifo: return "a pipe";
    case fs::file_type::socket: return "a socket";
    default: return "something else";
  }
}

// Follows links by hand: one whose file is yet to be made has no status of its own.
fs::path behind_links(const fs::path& path) {
  constexpr int kMostLinks = 40;  // as Linux has it
  fs::path target = path;
  std::error_code error;
  for (int links = 0; fs::is_symlink(fs::symlink_status(target, error)); ++links) {
    if (links == kMostLinks) refuse(path, "its symbolic links lead in a circle");
    const fs::path next = fs::read_symlink(target, error);
    if (error) refuse(path, error.message());
    target = target.parent_path() / next;  // the second alone if it is absolute
  }
  return target;
}

// True: an ordinary file is there; false: nothing is.
bool is_there(const fs::path& target) {
  std::error_code error;
  const fs::file_status status = fs::status(target, error);
  if (status.type() == fs::file_type::not_found) return false;
  if (status.type() == fs::file_type::none) refuse(target, error.message());
  if (status.type() != fs::file_type::regular) {
    refuse(target, std::string("there is ") + name_of(status.type()) + ", not an ordinary file; name another");
  }
  return true;
}

}  // namespace

fs::path target_to_write(const std::string& path) {
  if (path.empty()) throw Error(ErrorCode::kInvalidArgument, "the name of the file to write is empty");
  const fs::path given = path_from_utf8(path);
  const bool there = is_there(given);  // as the system follows links, the magic ones of /proc included
  fs::path target = behind_links(given);
  if (there) {
    std::error_code error;
    if (!fs::equivalent(given, target, error)) refuse(given, "its symbolic link leads to a file without a name");
    return target;
  }
  if (target.filename().empty()) refuse(given, "that names a folder; name a file in it");
  std::error_code error;
  if (const fs::path folder = target.parent_path(); !folder.empty() && !fs::exists(folder, error)) {
    refuse(given, "there is no folder '" + utf8_from_path(folder) + "'");
  }
  return target;
}

void take_place(const fs::path& complete, const fs::path& target) {
  if (is_there(target)) keep_mode_and_owner(complete, target);
  std::error_code error;
  fs::rename(complete, target, error);
  if (error) refuse(target, error.message());
  sync_folder(target.parent_path());
}

AtomicFile::AtomicFile(const std::string& path) : path_(path), target_(target_to_write(path)) {
  static std::atomic<std::uint32_t> counter{0};
  // What a file was kept from others for must not be read meanwhile; take_place() gives it its mode.
  std::error_code error;
  const bool replaces = fs::exists(target_, error);
  // A process that was killed can have left the name of one with the same number, as the first in a container has.
  constexpr int kMostTries = 1000;
  for (int tries = 0; file_ == nullptr; ++tries) {
    temporary_ = target_;
    temporary_ += "." + std::to_string(process_id()) + "-" + std::to_string(counter++) + ".tmp";
    file_ = open_new(temporary_, replaces);
    if (file_ == nullptr && (errno != EEXIST || tries == kMostTries)) fail(path, "write", errno);
  }
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
  take_place(temporary_, target_);
  temporary_.clear();
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
