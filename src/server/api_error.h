// What a client is told when a request fails.
#pragma once

#include <nlohmann/json.hpp>

#include <exception>
#include <stdexcept>
#include <string>

#include "base/error.h"

namespace rwkv::server {

/// Objects of answers keep the order in which they are written.
using OrderedJson = nlohmann::ordered_json;

class ApiError : public std::runtime_error {
 public:
  /// `param` names the field of the request that is at fault; empty: none is.
  ApiError(int status, ErrorCode code, const std::string& message, std::string param = {});
  /// With the HTTP status that fits the code: 400 for what the client can mend, a picture that it sent among that, 503
  /// for what passes, else 500.
  explicit ApiError(const Error& error);

  int status() const noexcept { return status_; }
  /// {"error": {message, type, param, code, reason}}: `type` is "invalid_request_error" or "server_error", `code` the
  /// HTTP status, `reason` the name of the ErrorCode.
  OrderedJson to_json() const;

 private:
  int status_;
  ErrorCode code_;
  std::string param_;
};

/// What a client is told of whatever was thrown.
ApiError as_api_error(const std::exception_ptr& thrown);

/// Error 400 for a field with a value it cannot have.
ApiError bad_field(const std::string& param, const std::string& what_it_must_be);
/// Error 400 for a valid wish that is not fulfilled here.
ApiError unsupported_field(const std::string& param);

/// One line of valid UTF-8.
std::string to_text(const OrderedJson& json);

}  // namespace rwkv::server
