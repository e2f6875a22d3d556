// Values and errors on their way to a backend's library and back.
#pragma once

#include <exception>
#include <string>
#include <vector>

#include "engine/backend.h"
#include "rwkv_backend.h"

namespace rwkv::plugin {

/// Throws what a function of the library has failed with; the text is the library's, made valid UTF-8. `file`: what the
/// function was called for, empty if for none.
[[noreturn]] void throw_error(const rwkv_backend_api& api, rwkv_backend_code code, const rwkv_backend_error& error,
                              const std::string& file);

/// Calls `function(&error)`, which calls one function of the table, and throws what that fails with.
template <class Function>
void call(const rwkv_backend_api& api, const Function& function, const std::string& file = {}) {
  rwkv_backend_error error;
  error.text[0] = '\0';
  const rwkv_backend_code code = function(&error);
  if (code != RWKV_BACKEND_OK) throw_error(api, code, error, file);
}

/// The text in a field of `size` bytes, valid UTF-8 wherever it ends.
std::string bounded_text(const char* field, std::size_t size);
template <std::size_t kSize>
std::string text_of(const char (&field)[kSize]) {
  return bounded_text(field, kSize);
}

/// Throws Error(kUnsupported): the library breaks the rules of its interface.
[[noreturn]] void throw_broken(const rwkv_backend_api& api, const std::string& how);

/// `path` and `bytes` (none: a folder) are used where they lie.
rwkv_backend_source source_of(const std::string& path, const std::span<const std::byte>* bytes) noexcept;

/// The options of a load in the library's form, while the load goes on.
class CallOptions {
 public:
  explicit CallOptions(const LoadOptions& options);
  CallOptions(const CallOptions&) = delete;
  CallOptions& operator=(const CallOptions&) = delete;

  const rwkv_backend_options* get() const noexcept { return &form_; }
  /// Throws what the caller's progress function has thrown.
  void rethrow() const;

 private:
  std::int32_t tell(float share) noexcept;

  const LoadOptions& options_;
  std::vector<rwkv_backend_setting> settings_;
  rwkv_backend_options form_{};
  float highest_ = 0;
  std::exception_ptr thrown_;
};

}  // namespace rwkv::plugin
