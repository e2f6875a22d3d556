#include "server/api_error.h"

#include <new>
#include <utility>

namespace rwkv::server {
namespace {

int status_of(ErrorCode code) {
  switch (code) {
    case ErrorCode::kInvalidArgument:
    case ErrorCode::kUnsupported: return 400;
    case ErrorCode::kNotFound: return 404;
    case ErrorCode::kBusy:
    case ErrorCode::kCancelled: return 503;
    default: return 500;
  }
}

// The field whose bytes the error is about; empty where it is about a file of this machine.
std::string field_of(const Error& error) {
  return error.file().starts_with("messages[") || error.file().starts_with("conversations[") ? error.file() : "";
}

}  // namespace

ApiError::ApiError(int status, ErrorCode code, const std::string& message, std::string param)
    : std::runtime_error(message), status_(status), code_(code), param_(std::move(param)) {}

ApiError::ApiError(const Error& error)
    : ApiError(field_of(error).empty() ? status_of(error.code()) : 400, error.code(), error.what(), field_of(error)) {}

OrderedJson ApiError::to_json() const {
  OrderedJson error{{"message", what()}, {"type", status_ < 500 ? "invalid_request_error" : "server_error"}};
  error["param"] = param_.empty() ? OrderedJson(nullptr) : OrderedJson(param_);
  error["code"] = status_;
  error["reason"] = to_string(code_);
  return {{"error", std::move(error)}};
}

ApiError as_api_error(const std::exception_ptr& thrown) {
  try {
    std::rethrow_exception(thrown);
  } catch (const ApiError& error) {
    return error;
  } catch (const Error& error) {
    return ApiError(error);
  } catch (const std::bad_alloc&) {
    return ApiError(500, ErrorCode::kOutOfMemory, "out of memory");
  } catch (const std::exception& error) {
    return ApiError(500, ErrorCode::kInternal, error.what());
  } catch (...) {
    return ApiError(500, ErrorCode::kInternal, "an unknown failure");
  }
}

ApiError bad_field(const std::string& param, const std::string& what_it_must_be) {
  return ApiError(400, ErrorCode::kInvalidArgument, param + " must be " + what_it_must_be, param);
}

ApiError unsupported_field(const std::string& param) {
  return ApiError(400, ErrorCode::kUnsupported, param + " is not supported by this server; leave it out", param);
}

std::string to_text(const OrderedJson& json) {
  return json.dump(-1, ' ', false, OrderedJson::error_handler_t::replace);
}

}  // namespace rwkv::server
