// Messages as JSON objects: {"type": "ChatAsync", "requestId": 7, ...fields by their Dart names...}.
//
// Unknown fields are ignored, so that an older runtime understands a newer client. What is null or absent is a field's
// default where it has one. Everything here may be called from any thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/error.h"
#include "base/json_message.h"
#include "protocol/messages.h"

namespace rwkv::protocol {

using rwkv::Json;
using rwkv::kMaxMessageBytes;
using rwkv::kMaxMessageDepth;
using rwkv::parse_message;
using rwkv::to_text;

/// A message with the id that ties answers to their request. Ids are the client's; a request without one is answered
/// without one.
struct RequestMessage {
  std::optional<std::int64_t> request_id;
  Request body;
  /// The load that the request's model must come from; nothing: whatever has the id.
  std::optional<std::int64_t> load_id = {};
};
struct ResponseMessage {
  std::optional<std::int64_t> request_id;
  Response body;
};

/// Throw Error(kInvalidArgument) naming the unknown type or the missing or ill-typed field, for example
/// "ChatAsync.messages must be a list of strings".
RequestMessage decode_request(const Json& json);
ResponseMessage decode_response(const Json& json);
PortOptions decode_port_options(const Json& json);

/// The id of a message that may be wrong otherwise, to answer with the error; nothing if it has none.
std::optional<std::int64_t> request_id_of(const Json& json) noexcept;

/// Nothing is left out but optional fields without a value. Throw Error(kInternal) for a number that is not finite.
Json encode(const RequestMessage& message);
Json encode(const ResponseMessage& message);
Json encode(ResponseMessage&& message);  // moves long texts instead of copying them
Json encode(const PortOptions& options);

/// "ChatAsync"
std::string_view type_of(const Request& request);
std::string_view type_of(const Response& response);

}  // namespace rwkv::protocol
