#include "base/error.h"

#include <exception>
#include <new>
#include <system_error>

namespace rwkv {

std::string_view to_string(ErrorCode code) noexcept {
  switch (code) {
    case ErrorCode::kInvalidArgument: return "invalid_argument";
    case ErrorCode::kNotFound: return "not_found";
    case ErrorCode::kIo: return "io";
    case ErrorCode::kBadFile: return "bad_file";
    case ErrorCode::kUnsupported: return "unsupported";
    case ErrorCode::kOutOfMemory: return "out_of_memory";
    case ErrorCode::kBusy: return "busy";
    case ErrorCode::kCancelled: return "cancelled";
    case ErrorCode::kEvaluation: return "evaluation";
    case ErrorCode::kInternal: return "internal";
  }
  return "internal";
}

Error::Error(ErrorCode code, const std::string& message, const std::string& file)
    : std::runtime_error(message), code_(code), file_(file.empty() ? nullptr : std::make_shared<std::string>(file)) {}

const std::string& Error::file() const noexcept {
  static const auto* none = new std::string;  // never destroyed: threads may outlive the statics
  return file_ ? *file_ : *none;
}

const Error& out_of_memory() noexcept {
  // Never destroyed: threads may outlive the statics.
  static const auto* error = new Error(
      ErrorCode::kOutOfMemory, "out of memory; release a model, use a smaller one or have fewer conversations at once");
  return *error;
}

namespace {

[[maybe_unused]] const Error& made_at_once = out_of_memory();

Error translated() {
  try {
    throw;
  } catch (const Error& error) {
    return error;
  } catch (const std::bad_alloc&) {
    return out_of_memory();
  } catch (const std::system_error& error) {
    const bool no_more =
        error.code() == std::errc::resource_unavailable_try_again || error.code() == std::errc::not_enough_memory;
    if (!no_more) return Error(ErrorCode::kInternal, error.what());
    return Error(ErrorCode::kOutOfMemory, std::string("no memory, or no leave, to start another thread: ") +
                                              error.what() + "; release a model or raise the limits of this process");
  } catch (const std::exception& error) {
    return Error(ErrorCode::kInternal, error.what());
  } catch (...) {
    return Error(ErrorCode::kInternal, "something was thrown that is no std::exception");  // by a callback
  }
}

}  // namespace

Error caught_error() noexcept {
  try {
    return translated();
  } catch (...) {
    return out_of_memory();  // the message did not fit
  }
}

}  // namespace rwkv
