#include "protocol/codec.h"

#include <optional>
#include <utility>

#include "base/json_tree.h"
#include "protocol/json_reader.h"
#include "protocol/json_writer.h"

namespace rwkv::protocol {
namespace {

[[noreturn]] void fail(const std::string& message) { throw rwkv::Error(ErrorCode::kInvalidArgument, message); }

void expect_object(const Json& json) {
  if (!json.is_object()) fail("A message must be a JSON object");
}

std::optional<std::int64_t> read_id(const Json& json, const std::string& name) {
  const auto found = json.find(name);
  if (found == json.end() || found->is_null()) return std::nullopt;
  std::int64_t id = 0;
  if (!read(*found, id, name)) fail(name + " must be a 64-bit integer");
  return id;
}

std::optional<std::int64_t> read_request_id(const Json& json) { return read_id(json, "requestId"); }

// The alternative of `Variant` that calls itself `type`.
template <class Variant, std::size_t index = 0>
Variant decode_body(std::string_view type, const Json& json) {
  if constexpr (index == std::variant_size_v<Variant>) {
    // A name that is far too long is not a name.
    fail("There is no message of type '" + std::string(type.substr(0, 64)) + "'; docs/PROTOCOL.md lists all");
  } else {
    using Body = std::variant_alternative_t<index, Variant>;
    if (type == Body::kType) return read_object<Body>(json, std::string(Body::kType));
    return decode_body<Variant, index + 1>(type, json);
  }
}

template <class Message>
Message decode(const Json& json) {
  expect_object(json);
  const auto type = json.find("type");
  if (type == json.end() || !type->is_string()) fail("A message must have a \"type\", the name of its class");
  Message message{read_request_id(json),
                  decode_body<decltype(Message::body)>(type->get_ref<const std::string&>(), json)};
  if constexpr (requires { message.load_id; }) message.load_id = read_id(json, "loadID");
  return message;
}

template <class Message>
Json encode_message(Message& message) {
  return std::visit(
      [&](auto& body) {
        JsonTree json(write_object(body));
        json.value["type"] = body.kType;
        if (message.request_id) json.value["requestId"] = *message.request_id;
        if constexpr (requires { message.load_id; }) {
          if (message.load_id) json.value["loadID"] = *message.load_id;
        }
        return std::move(json.value);
      },
      message.body);
}

}  // namespace

RequestMessage decode_request(const Json& json) { return decode<RequestMessage>(json); }
ResponseMessage decode_response(const Json& json) { return decode<ResponseMessage>(json); }

PortOptions decode_port_options(const Json& json) {
  expect_object(json);
  return read_object<PortOptions>(json, std::string(PortOptions::kType));
}

std::optional<std::int64_t> request_id_of(const Json& json) noexcept {
  try {
    return json.is_object() ? read_request_id(json) : std::nullopt;
  } catch (const std::exception&) {
    return std::nullopt;
  }
}

Json encode(const RequestMessage& message) { return encode_message(message); }
Json encode(const ResponseMessage& message) { return encode_message(message); }
Json encode(ResponseMessage&& message) { return encode_message(message); }
Json encode(const PortOptions& options) { return write_object(options); }

std::string_view type_of(const Request& request) {
  return std::visit([](const auto& body) { return body.kType; }, request);
}
std::string_view type_of(const Response& response) {
  return std::visit([](const auto& body) { return body.kType; }, response);
}

}  // namespace rwkv::protocol
