#include "base/atomic_file.h"

#include <atomic>
#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <system_error>

#include "base/error.h"
#ifdef _WIN32
#include <io.h>
#include <process.h>
#else
#include <fcntl.h>
#include <unistd.h>
#endif

namespace rwkv {
namespace {

namespace fs = std::filesystem;

#ifdef _WIN32
std::FILE* open_new(const fs::path& path) { return _wfopen(path.c_str(), L"wbx"); }
bool sync(std::FILE* file) { return _commit(_fileno(file)) == 0; }
void sync_folder(const fs::path&) {}
int process_id() { return _getpid(); }
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
#endif

[[noreturn]] void fail(const std::string& path, const std::string& what, int code) {
  throw Error(ErrorCode::kIo, "cannot " + what + " '" + path + "': " + std::strerror(code));
}

// Removes the temporary file unless it was renamed.
struct Temporary {
  fs::path path;
  std::FILE* file = nullptr;
  ~Temporary() {
    if (file) std::fclose(file);
    std::error_code ignored;
    if (!path.empty()) fs::remove(path, ignored);
  }
};

}  // namespace

void write_file_atomically(const std::string& path, const std::vector<std::span<const std::byte>>& parts) {
  if (path.empty() || path.find('\0') != std::string::npos) {
    throw Error(ErrorCode::kInvalidArgument, "a file to write needs a path without NUL characters");
  }
  static std::atomic<std::uint32_t> counter{0};
  const fs::path target(std::u8string(path.begin(), path.end()));
  Temporary temporary;
  fs::path name = target;
  name += "." + std::to_string(process_id()) + "-" + std::to_string(counter++) + ".tmp";
  temporary.file = open_new(name);
  if (!temporary.file) fail(path, "write", errno);
  temporary.path = name;
  for (const auto& part : parts) {
    if (!part.empty() && std::fwrite(part.data(), 1, part.size(), temporary.file) != part.size()) {
      fail(path, "write", errno);
    }
  }
  if (std::fflush(temporary.file) != 0 || !sync(temporary.file)) fail(path, "write", errno);
  const bool closed = std::fclose(temporary.file) == 0;
  temporary.file = nullptr;
  if (!closed) fail(path, "write", errno);
  std::error_code error;
  fs::rename(name, target, error);
  if (error) throw Error(ErrorCode::kIo, "cannot write '" + path + "': " + error.message());
  temporary.path.clear();
  sync_folder(target.parent_path());
}

}  // namespace rwkv
