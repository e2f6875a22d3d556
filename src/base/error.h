// Errors inside the library are exceptions of one type; they become typed codes at the borders (C ABI, protocol, CLI).
#pragma once

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

/// The message says what was wrong, where, and what to do; it never contains prompt text.
class Error : public std::runtime_error {
 public:
  Error(ErrorCode code, const std::string& message) : std::runtime_error(message), code_(code) {}

  ErrorCode code() const noexcept { return code_; }

 private:
  ErrorCode code_;
};

/// For when there may be no memory left to say more: made when the library is loaded, copied without any.
const Error& out_of_memory() noexcept;

/// Inside a handler: what is being handled, as an Error. Takes no memory where there is none.
Error caught_error() noexcept;

}  // namespace rwkv
