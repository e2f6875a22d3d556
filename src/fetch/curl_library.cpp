#if __has_include(<curl/curl.h>)
#include "fetch/curl_library.h"

#include <atomic>
#include <chrono>
#include <cstdlib>
#include <string>
#include <thread>

#include "base/error.h"
#include "base/fork.h"
#ifdef _WIN32
#include <windows.h>
#else
#include <dlfcn.h>
#endif

namespace rwkv::fetch {
namespace {

std::atomic<int> calls{0};
std::atomic<bool> process_ends{false};

// Registered after libcurl has started, so it runs before what that has registered.
void end_calls() {
  process_ends = true;
  for (int tries = 200; calls > 0 && tries > 0; --tries) std::this_thread::sleep_for(std::chrono::milliseconds(10));
}

constexpr unsigned kOldest = 0x075500;  // 7.85.0: names of protocols as text

#ifdef _WIN32
constexpr const char* kNames[] = {"libcurl-x64.dll", "libcurl-arm64.dll", "libcurl.dll", "libcurl-4.dll"};
void* open_library(const char* name) { return reinterpret_cast<void*>(LoadLibraryA(name)); }
void close_library(void* library) { FreeLibrary(static_cast<HMODULE>(library)); }
void* find_symbol(void* library, const char* name) {
  return reinterpret_cast<void*>(GetProcAddress(static_cast<HMODULE>(library), name));
}
#else
#ifdef __APPLE__
constexpr const char* kNames[] = {"libcurl.4.dylib", "/usr/lib/libcurl.4.dylib"};
#else
// The last is what an app for Android may bring along.
constexpr const char* kNames[] = {"libcurl.so.4", "libcurl-gnutls.so.4", "libcurl.so"};
#endif
void* open_library(const char* name) { return dlopen(name, RTLD_NOW | RTLD_LOCAL); }
void close_library(void* library) { dlclose(library); }
void* find_symbol(void* library, const char* name) { return dlsym(library, name); }
#endif

[[noreturn]] void fail(const std::string& why) {
  throw Error(ErrorCode::kUnsupported, "downloads need libcurl 7.85 or newer: " + why +
                                           "; install it, or name it in the environment variable RWKV_LIBCURL");
}

template <class Function>
void find(void* library, const char* name, Function& function) {
  function = reinterpret_cast<Function>(find_symbol(library, name));
  if (!function) fail(std::string("what was found has no ") + name);
}

// Throws when the library is not fit for use.
CurlLibrary functions_of(void* library) {
  decltype(&::curl_version_info) version_info = nullptr;
  find(library, "curl_version_info", version_info);
  const curl_version_info_data* version = version_info(CURLVERSION_NOW);
  if (version->version_num < kOldest) fail(std::string("this machine has ") + version->version);
  decltype(&::curl_global_init) global_init = nullptr;
  find(library, "curl_global_init", global_init);
  CurlLibrary curl;
  find(library, "curl_easy_init", curl.easy_init);
  find(library, "curl_easy_cleanup", curl.easy_cleanup);
  find(library, "curl_easy_setopt", curl.easy_setopt);
  find(library, "curl_easy_getinfo", curl.easy_getinfo);
  find(library, "curl_easy_strerror", curl.easy_strerror);
  find(library, "curl_multi_init", curl.multi_init);
  find(library, "curl_multi_cleanup", curl.multi_cleanup);
  find(library, "curl_multi_add_handle", curl.multi_add_handle);
  find(library, "curl_multi_remove_handle", curl.multi_remove_handle);
  find(library, "curl_multi_perform", curl.multi_perform);
  find(library, "curl_multi_poll", curl.multi_poll);
  find(library, "curl_multi_info_read", curl.multi_info_read);
  find(library, "curl_slist_append", curl.slist_append);
  find(library, "curl_slist_free_all", curl.slist_free_all);
  if (global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) throw Error(ErrorCode::kInternal, "libcurl does not start");
  std::atexit(end_calls);
  at_fork(nullptr, nullptr, [] { calls = 0; });
  return curl;
}

CurlLibrary load() {
  void* library = nullptr;
  if (const char* given = std::getenv("RWKV_LIBCURL"); given && *given) {
    library = open_library(given);
    if (!library) fail(std::string("'") + given + "' (RWKV_LIBCURL) cannot be opened");
  } else {
    for (const char* name : kNames) {
      library = open_library(name);
      if (library) break;
    }
    if (!library) fail("this machine has none");
  }
  try {
    return functions_of(library);
  } catch (...) {
    close_library(library);
    throw;
  }
}

}  // namespace

const CurlLibrary& curl_library() {
  static const CurlLibrary library = load();  // anew at the next call if it throws
  return library;
}

CurlCall::CurlCall() noexcept { ++calls; }
CurlCall::~CurlCall() { --calls; }
bool CurlCall::must_end() noexcept { return process_ends; }

}  // namespace rwkv::fetch
#endif
