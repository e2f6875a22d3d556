// libcurl, found when it is needed: what links us starts on machines that do not have it.
#pragma once

// Its macros that check types are written for calls of its functions by name.
#define CURL_DISABLE_TYPECHECK
#include <curl/curl.h>

namespace rwkv::fetch {

/// The functions of libcurl that downloads use.
struct CurlLibrary {
  decltype(&::curl_easy_init) easy_init = nullptr;
  decltype(&::curl_easy_cleanup) easy_cleanup = nullptr;
  decltype(&::curl_easy_setopt) easy_setopt = nullptr;
  decltype(&::curl_easy_getinfo) easy_getinfo = nullptr;
  decltype(&::curl_easy_strerror) easy_strerror = nullptr;
  decltype(&::curl_multi_init) multi_init = nullptr;
  decltype(&::curl_multi_cleanup) multi_cleanup = nullptr;
  decltype(&::curl_multi_add_handle) multi_add_handle = nullptr;
  decltype(&::curl_multi_remove_handle) multi_remove_handle = nullptr;
  decltype(&::curl_multi_perform) multi_perform = nullptr;
  decltype(&::curl_multi_poll) multi_poll = nullptr;
  decltype(&::curl_multi_info_read) multi_info_read = nullptr;
  decltype(&::curl_slist_append) slist_append = nullptr;
  decltype(&::curl_slist_free_all) slist_free_all = nullptr;
};

/// The library that the environment variable RWKV_LIBCURL names, or the system's. Opened once in a process and never
/// closed. Throws Error(kUnsupported) while there is none, or only one older than 7.85.
const CurlLibrary& curl_library();

/// Stands for the time that a thread is inside libcurl. When the process is left (a return from main, exit()) such
/// calls are asked to end and waited for, two seconds at most: what libcurl stands on for TLS is taken down next.
class CurlCall {
 public:
  CurlCall() noexcept;
  CurlCall(const CurlCall&) = delete;
  CurlCall& operator=(const CurlCall&) = delete;
  ~CurlCall();

  static bool must_end() noexcept;
};

}  // namespace rwkv::fetch
