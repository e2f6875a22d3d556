#include "base/mapped_file.h"

#include <algorithm>
#include <cstdint>
#include <limits>
#include <utility>

#include "base/error.h"
#include "base/mapping_guard.h"

#ifdef _WIN32
#include <windows.h>
#else
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#endif

namespace rwkv {
namespace {

void check_size(const std::string& path, std::uint64_t size) {
  if (size > std::numeric_limits<std::size_t>::max() / 2) {
    throw Error(ErrorCode::kUnsupported,
                "'" + path + "' has " + std::to_string(size) + " bytes, more than a program of this word size can map",
                path);
  }
}

Error cannot_open(const std::string& path, const std::string& reason, bool missing, bool forbidden) {
  const char* const advice = missing ? "; check the path" : forbidden ? "; check its permissions" : "";
  return Error(missing ? ErrorCode::kNotFound : ErrorCode::kIo, "cannot open '" + path + "': " + reason + advice, path);
}

#ifdef _WIN32

std::wstring wide(const std::string& path) {
  const int length = static_cast<int>(path.size());
  const int size = MultiByteToWideChar(CP_UTF8, MB_ERR_INVALID_CHARS, path.data(), length, nullptr, 0);
  std::wstring result(static_cast<std::size_t>(size), L'\0');
  MultiByteToWideChar(CP_UTF8, MB_ERR_INVALID_CHARS, path.data(), length, result.data(), size);
  return result;
}

struct Handle {
  HANDLE value;
  ~Handle() {
    if (value != nullptr && value != INVALID_HANDLE_VALUE) CloseHandle(value);
  }
};

std::span<const std::byte> map(const std::string& path) {
  // Without FILE_SHARE_WRITE a file that this process still writes could not be mapped. Cut it cannot be while it is.
  constexpr DWORD kShared = FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE;
  const Handle file{
      CreateFileW(wide(path).c_str(), GENERIC_READ, kShared, nullptr, OPEN_EXISTING, FILE_ATTRIBUTE_NORMAL, nullptr)};
  if (file.value == INVALID_HANDLE_VALUE) {
    const DWORD code = GetLastError();
    const bool missing = code == ERROR_FILE_NOT_FOUND || code == ERROR_PATH_NOT_FOUND;
    throw cannot_open(path, "system error " + std::to_string(code), missing, code == ERROR_ACCESS_DENIED);
  }
  LARGE_INTEGER size{};
  if (!GetFileSizeEx(file.value, &size)) throw Error(ErrorCode::kIo, "cannot read the size of '" + path + "'", path);
  check_size(path, static_cast<std::uint64_t>(size.QuadPart));
  if (size.QuadPart == 0) return {};
  const Handle mapping{CreateFileMappingW(file.value, nullptr, PAGE_READONLY, 0, 0, nullptr)};
  const void* data = mapping.value ? MapViewOfFile(mapping.value, FILE_MAP_READ, 0, 0, 0) : nullptr;
  if (data == nullptr) throw Error(ErrorCode::kIo, "cannot map '" + path + "'", path);
  return {static_cast<const std::byte*>(data), static_cast<std::size_t>(size.QuadPart)};
}

void release(std::span<const std::byte> bytes) noexcept { UnmapViewOfFile(bytes.data()); }

// Unlocking pages that are not locked takes them out of the working set.
void forget_pages(void* begin, std::size_t size) noexcept { VirtualUnlock(begin, size); }

#else

struct Descriptor {
  int value;
  ~Descriptor() {
    if (value >= 0) close(value);
  }
};

std::span<const std::byte> map(const std::string& path) {
  // O_NONBLOCK: opening a named pipe would otherwise wait for a writer before we could refuse it.
  const Descriptor file{open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK)};
  if (file.value < 0) {
    const int code = errno;
    throw cannot_open(path, std::strerror(code), code == ENOENT || code == ENOTDIR, code == EACCES || code == EPERM);
  }
  struct stat status{};
  if (fstat(file.value, &status) != 0) throw Error(ErrorCode::kIo, "cannot read the size of '" + path + "'", path);
  if (S_ISDIR(status.st_mode)) throw Error(ErrorCode::kIo, "'" + path + "' is a folder, not a file", path);
  if (!S_ISREG(status.st_mode)) throw Error(ErrorCode::kIo, "'" + path + "' is not an ordinary file", path);
  check_size(path, static_cast<std::uint64_t>(status.st_size));
  if (status.st_size == 0) return {};
  const auto size = static_cast<std::size_t>(status.st_size);
  void* data = mmap(nullptr, size, PROT_READ, MAP_PRIVATE, file.value, 0);
  if (data == MAP_FAILED) {
    const int code = errno;
    if (code == ENOMEM) {
      throw Error(ErrorCode::kOutOfMemory,
                  "'" + path + "' has " + std::to_string(size >> 20) +
                      " MB, more than the memory limits of this process leave addresses for; raise them (ulimit -v) "
                      "or use a smaller file",
                  path);
    }
    throw Error(ErrorCode::kIo, "cannot map '" + path + "': " + std::strerror(code), path);
  }
  return {static_cast<const std::byte*>(data), size};
}

void release(std::span<const std::byte> bytes) noexcept {
  // munmap takes a pointer to non-const although it does not write.
  munmap(const_cast<std::byte*>(bytes.data()), bytes.size());
}

void forget_pages(void* begin, std::size_t size) noexcept { madvise(begin, size, MADV_DONTNEED); }

#endif

}  // namespace

MappedFile::MappedFile(const std::string& path) : path_(path) {
  if (path.find('\0') != std::string::npos) {
    throw Error(ErrorCode::kInvalidArgument, "a file path must not contain a NUL character");
  }
  bytes_ = map(path);
  if (!bytes_.empty()) guard_ = MappingGuard::add(bytes_.data(), bytes_.size());
}

MappedFile::MappedFile(MappedFile&& other) noexcept
    : path_(std::move(other.path_)), bytes_(std::exchange(other.bytes_, {})), guard_(other.guard_) {}

MappedFile& MappedFile::operator=(MappedFile&& other) noexcept {
  if (this != &other) {
    unmap();
    path_ = std::move(other.path_);
    bytes_ = std::exchange(other.bytes_, {});
    guard_ = other.guard_;
  }
  return *this;
}

MappedFile::~MappedFile() { unmap(); }

void MappedFile::forget(std::span<const std::byte> part) const noexcept {
  constexpr std::uintptr_t kPage = 65536;  // a multiple of every system's page; mappings begin with one
  const auto first = reinterpret_cast<std::uintptr_t>(bytes_.data());
  const auto begin = std::max(first, reinterpret_cast<std::uintptr_t>(part.data()) / kPage * kPage);
  const auto end = reinterpret_cast<std::uintptr_t>(part.data() + part.size());
  if (!part.empty() && begin < end) forget_pages(reinterpret_cast<void*>(begin), end - begin);
}

void MappedFile::check_whole() const {
  if (MappingGuard::is_damaged(guard_)) {
    throw Error(ErrorCode::kBadFile, "'" + path_ + "' was cut while it was read", path_);
  }
}

void MappedFile::unmap() noexcept {
  if (bytes_.empty()) return;
  MappingGuard::remove(bytes_.data(), bytes_.size());
  release(bytes_);
}

}  // namespace rwkv
