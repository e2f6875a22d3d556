// A request and a response of HTTP/1.1.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace rwkv::server {

using HttpHeaders = std::vector<std::pair<std::string, std::string>>;

struct HttpRequest {
  std::string method;
  std::string path;     // decoded, without a slash at its end; "*" for a request about the server itself
  std::string query;    // as it came
  std::string host;     // whom the client wanted to reach, perhaps with a port; "" where it did not say
  HttpHeaders headers;  // names in lower case
  std::string body;
  int minor_version = 1;  // of HTTP/1
  bool keep_alive = true;
  bool is_chunked = false;
  std::size_t content_length = 0;

  /// The first of that name (in lower case); null: there is none.
  const std::string* header(std::string_view name) const noexcept;
  /// Whether it waits for `100 Continue` before it sends its body.
  bool expects_continue() const noexcept;
  /// The decoded value of a parameter of the query; "" without one.
  std::string parameter(std::string_view name) const;
};

struct HttpResponse {
  int status = 200;
  HttpHeaders headers;
  std::string body;
};

/// Letters of ASCII in lower case.
std::string lower_case(std::string_view text);
/// Whether two texts are the same but for the case of ASCII letters.
bool is_same_word(std::string_view a, std::string_view b) noexcept;
/// %XX as bytes. Nothing where that is no text of two hexadecimal digits.
std::optional<std::string> percent_decoded(std::string_view text, bool plus_is_space = false);

/// The status line and the header fields with the empty line after them.
std::string response_head(int status, const HttpHeaders& headers);

}  // namespace rwkv::server
