#include "base/dynamic_library.h"

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <span>
#include <system_error>

#include "base/error.h"
#include "base/mapped_file.h"
#include "base/utf8_path.h"

#ifdef _WIN32
#include <windows.h>
#else
#include <dlfcn.h>
#if defined(__linux__)
#include <elf.h>
#include <link.h>
#endif
#endif

namespace rwkv {
namespace {

namespace fs = std::filesystem;

Error cannot_open(const std::string& path, const std::string& reason) {
  return Error(ErrorCode::kBadFile, "cannot open the library '" + path + "': " + reason, path);
}

#ifdef _WIN32

std::string last_error() {
  const DWORD code = GetLastError();
  wchar_t text[512];
  DWORD length =
      FormatMessageW(FORMAT_MESSAGE_FROM_SYSTEM | FORMAT_MESSAGE_IGNORE_INSERTS, nullptr, code, 0, text, 512, nullptr);
  while (length > 0 && (text[length - 1] == L'\n' || text[length - 1] == L'\r' || text[length - 1] == L'.')) --length;
  const std::string reason = utf8_from_path(fs::path(std::wstring(text, length)));
  return reason.empty() ? "error " + std::to_string(code) : reason;
}

void* open_library(const std::string& path) {
  DWORD before = 0;
  SetThreadErrorMode(SEM_FAILCRITICALERRORS | SEM_NOOPENFILEERRORBOX, &before);  // no dialogs
  // What it needs is looked for beside it first.
  const HMODULE module = LoadLibraryExW(fs::absolute(path_from_utf8(path)).c_str(), nullptr,
                                        LOAD_LIBRARY_SEARCH_DLL_LOAD_DIR | LOAD_LIBRARY_SEARCH_DEFAULT_DIRS);
  const std::string reason = module == nullptr ? last_error() : "";
  SetThreadErrorMode(before, nullptr);
  if (module == nullptr) throw cannot_open(path, reason);
  return module;
}

#else

#if defined(__linux__)
// The system maps what the header promises and dies of SIGBUS where a file that was copied half does not have it.
void check_whole(const std::string& path, std::span<const std::byte> file) {
  ElfW(Ehdr) header;
  if (file.size() < sizeof header || std::memcmp(file.data(), ELFMAG, SELFMAG) != 0) return;  // dlopen says what it is
  std::memcpy(&header, file.data(), sizeof header);
  constexpr unsigned char kWordSize = sizeof(void*) == 8 ? ELFCLASS64 : ELFCLASS32;
  if (header.e_ident[EI_CLASS] != kWordSize || header.e_phentsize != sizeof(ElfW(Phdr))) return;
  const auto within = [&](std::uint64_t offset, std::uint64_t size) {
    return offset <= file.size() && size <= file.size() - offset;
  };
  bool whole = within(header.e_phoff, std::uint64_t{header.e_phnum} * sizeof(ElfW(Phdr)));
  for (std::size_t i = 0; whole && i < header.e_phnum; ++i) {
    ElfW(Phdr) segment;
    std::memcpy(&segment, file.data() + header.e_phoff + i * sizeof segment, sizeof segment);
    whole = segment.p_type != PT_LOAD || within(segment.p_offset, segment.p_filesz);
  }
  if (!whole) throw cannot_open(path, "it is cut off; copy it again");
}
#endif

void* open_library(const std::string& path) {
#if defined(__linux__)
  check_whole(path, MappedFile(path).bytes());
#endif
  // A path with a slash is opened where it is, not looked for.
  if (void* handle = dlopen(utf8_from_path(fs::absolute(path_from_utf8(path))).c_str(), RTLD_NOW | RTLD_LOCAL)) {
    return handle;
  }
  const char* reason = dlerror();
  throw cannot_open(path, reason == nullptr ? "the system does not say why" : reason);
}

#endif

}  // namespace

DynamicLibrary::DynamicLibrary(const std::string& path) : handle_(open_library(path)) {}

void* DynamicLibrary::symbol(const char* name) const noexcept {
#ifdef _WIN32
  return reinterpret_cast<void*>(GetProcAddress(static_cast<HMODULE>(handle_), name));
#else
  return dlsym(handle_, name);
#endif
}

std::string own_folder() {
  std::error_code error;
  fs::path file;
#ifdef _WIN32
  HMODULE module = nullptr;
  wchar_t name[4096];
  if (GetModuleHandleExW(GET_MODULE_HANDLE_EX_FLAG_FROM_ADDRESS | GET_MODULE_HANDLE_EX_FLAG_UNCHANGED_REFCOUNT,
                         reinterpret_cast<LPCWSTR>(&own_folder), &module) == 0) {
    return "";
  }
  file = std::wstring(name, GetModuleFileNameW(module, name, 4096));
#else
  Dl_info info{};
  if (dladdr(reinterpret_cast<const void*>(&own_folder), &info) == 0 || info.dli_fname == nullptr) return "";
  file = fs::absolute(info.dli_fname, error);
#if defined(__linux__)
  // A program that was found through PATH is known by its bare name only.
  if (!fs::exists(file, error)) file = fs::read_symlink("/proc/self/exe", error);
#endif
#endif
  return utf8_from_path(file.parent_path());
}

}  // namespace rwkv
