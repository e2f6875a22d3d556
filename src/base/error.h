// Errors inside the library are exceptions of one type; they become typed codes at the borders (C ABI, protocol, CLI).
#pragma once

#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>

namespace rwkv {

/// What kind of thing went wrong. The names (see to_string) are part of the protocol: append, never rename.
enum class ErrorCode {
  kInvalidArgument,  // the caller passed something that can never work
  kNotFound,         // a file or an id does not exist
  kIo,               // reading or writing failed
  kBadFile,          // a file is truncated, damaged or not what it should be
  kUnsupported,      // a valid wish that this build, backend or model cannot fulfil
  kOutOfMemory,      // memory or another bounded resource is used up
  kBusy,             // the object is in use by something that must end first
  kCancelled,        // the caller asked to stop
  kEvaluation,       // the backend failed while computing
  kInternal,         // a defect of ours
};

/// Stable snake_case name of a code, for example "bad_file".
std::string_view to_string(ErrorCode code) noexcept;

/// The message says what was wrong, where, and what to do; it never contains prompt text. Copies take no memory.
class Error : public std::runtime_error {
 public:
  /// `file`: the path, as the caller gave it, of the file or folder that the error is about.
  Error(ErrorCode code, const std::string& message, const std::string& file = {});

  ErrorCode code() const noexcept { return code_; }
  /// Empty where the error is about no file, or about two that do not belong together.
  const std::string& file() const noexcept;

 private:
  ErrorCode code_;
  std::shared_ptr<const std::string> file_;  // null: none
};

/// For when there may be no memory left to say more: made when the library is loaded, copied without any.
const Error& out_of_memory() noexcept;

/// Inside a handler: what is being handled, as an Error. Takes no memory where there is none.
Error caught_error() noexcept;

}  // namespace rwkv
