#include "server/http_parser.h"

#include <algorithm>
#include <charconv>
#include <optional>
#include <utility>

#include "server/api_error.h"

namespace rwkv::server {
namespace {

constexpr std::size_t kLongestTarget = 8192;
constexpr std::size_t kLongestHead = 64 << 10;
constexpr std::size_t kMostHeaders = 100;
constexpr std::size_t kLongestChunkLine = 1024;
constexpr std::size_t kLongestTrailers = 8192;

ApiError bad(const std::string& what, int status = 400) {
  return ApiError(status, ErrorCode::kInvalidArgument, what + "; this is not a request that HTTP allows");
}

bool is_token(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) {
    return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
           std::string_view("!#$%&'*+-.^_`|~").find(c) != std::string_view::npos;
  });
}

std::string_view trimmed(std::string_view text) {
  const std::size_t begin = text.find_first_not_of(" \t");
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(" \t") - begin + 1);
}

// Whether a comma-separated list has this word.
bool has_word(std::string_view list, std::string_view word) {
  while (!list.empty()) {
    const std::string_view item = list.substr(0, list.find(','));
    if (is_same_word(trimmed(item), word)) return true;
    list.remove_prefix(std::min(item.size() + 1, list.size()));
  }
  return false;
}

template <class Number>
std::optional<Number> number_in(std::string_view text, int base) {
  Number number{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number, base);
  if (text.empty() || error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return number;
}

bool is_host(std::string_view host) {
  return std::all_of(host.begin(), host.end(), [](char c) {
    return c > ' ' && c < 0x7F && std::string_view("/?#@,\\\"<>").find(c) == std::string_view::npos;
  });
}

}  // namespace

HttpParser::Found HttpParser::advance(std::string& bytes) {
  is_broken_ = true;  // should anything be thrown
  std::string_view rest = bytes;
  Found found = Found::kNothing;
  for (std::string_view line; found == Found::kNothing;) {
    if (state_ == State::kDone) {
      found = Found::kRequest;
    } else if (state_ == State::kBody || state_ == State::kChunk) {
      const std::size_t count = std::min(remaining_, rest.size());
      request_.body.append(rest, 0, count);
      rest.remove_prefix(count);
      remaining_ -= count;
      if (remaining_ > 0) break;
      state_ = state_ == State::kBody ? State::kDone : State::kChunkEnd;
    } else if (!next_line(rest, line)) {
      break;
    } else if (state_ == State::kRequestLine) {
      if (!line.empty()) read_request_line(line);  // some clients send an empty line after a body
    } else if (state_ == State::kHeaders) {
      if (!line.empty()) {
        read_header(line);
      } else {
        end_head();
        found = Found::kHead;
      }
    } else if (state_ == State::kChunkSize) {
      read_chunk_size(line);
    } else if (state_ == State::kChunkEnd) {
      if (!line.empty()) throw bad("a chunk is longer than it says");
      state_ = State::kChunkSize;
    } else if (line.empty()) {  // the end of the trailers, which tell nothing that is needed here
      state_ = State::kDone;
    }
  }
  bytes.erase(0, bytes.size() - rest.size());
  is_broken_ = false;
  return found;
}

// A line feed alone ends a line of the head too, as people type it; within a chunked body only both together do.
bool HttpParser::next_line(std::string_view& rest, std::string_view& line) {
  const bool in_head = state_ == State::kRequestLine || state_ == State::kHeaders;
  const std::size_t end = rest.find('\n', scanned_);
  const std::size_t length = head_bytes_ + (end == std::string_view::npos ? rest.size() : end + 1);
  if (state_ == State::kRequestLine && length > kLongestTarget + 64) throw bad("the address is too long", 414);
  if (in_head && length > kLongestHead) throw bad("the header fields are too long", 431);
  if (state_ == State::kTrailers && length > kLongestTrailers) throw bad("the trailers are too long", 431);
  if (!in_head && state_ != State::kTrailers && length > kLongestChunkLine) throw bad("a chunk has no size");
  if (end == std::string_view::npos) {
    scanned_ = rest.size();
    return false;
  }
  scanned_ = 0;
  const bool has_return = end > 0 && rest[end - 1] == '\r';
  line = rest.substr(0, has_return ? end - 1 : end);
  if (!in_head && !has_return) throw bad("a line of a chunked body ends without a carriage return");
  if (line.find_first_of(std::string_view("\r\0", 2)) != std::string_view::npos) {
    throw bad("there is a carriage return or a zero byte within a line");
  }
  if (in_head || state_ == State::kTrailers) head_bytes_ = length;
  rest.remove_prefix(end + 1);
  return true;
}

void HttpParser::read_request_line(std::string_view line) {
  const std::size_t first = line.find(' ');
  const std::size_t last = line.rfind(' ');
  if (first == std::string_view::npos || first == last) throw bad("the first line is not `METHOD ADDRESS HTTP/1.1`");
  const std::string_view version = line.substr(last + 1);
  std::string_view target = line.substr(first + 1, last - first - 1);
  if (!version.starts_with("HTTP/") || !is_token(line.substr(0, first)) || target.empty() ||
      target.find_first_of(" \t") != std::string_view::npos) {
    throw bad("the first line is not `METHOD ADDRESS HTTP/1.1`");
  }
  if (version != "HTTP/1.1" && version != "HTTP/1.0") {
    throw bad("the version is '" + std::string(version) + "', not HTTP/1.1 or HTTP/1.0", 505);
  }
  if (target.size() > kLongestTarget) throw bad("the address is too long", 414);
  request_.method = line.substr(0, first);
  request_.minor_version = version.back() - '0';
  request_.keep_alive = request_.minor_version > 0;
  for (const std::string_view scheme : {"http://", "https://"}) {  // as proxies are asked
    if (!is_same_word(target.substr(0, scheme.size()), scheme)) continue;
    target.remove_prefix(scheme.size());
    const std::string_view host = target.substr(0, target.find_first_of("/?"));
    if (host.empty() || !is_host(host)) throw bad("the address names no host");
    request_.host = host;
    target.remove_prefix(host.size());
    break;
  }
  target = target.substr(0, target.find('#'));
  const std::string_view path = target.substr(0, target.find('?'));
  if (path.size() < target.size()) request_.query = target.substr(path.size() + 1);
  auto decoded = percent_decoded(path);
  const bool about_all = path == "*" && request_.method == "OPTIONS";
  const bool is_absolute = !request_.host.empty() && path.empty();
  if (!decoded || !(path.starts_with('/') || about_all || is_absolute)) throw bad("the address is no path");
  while (decoded->ends_with('/')) decoded->pop_back();
  request_.path = decoded->empty() ? "/" : std::move(*decoded);
  state_ = State::kHeaders;
}

void HttpParser::read_header(std::string_view line) {
  const std::size_t colon = line.find(':');
  if (colon == std::string_view::npos || !is_token(line.substr(0, colon))) {
    throw bad("a header field is not `Name: value`");  // also what was continued on the next line
  }
  if (request_.headers.size() == kMostHeaders) throw bad("there are too many header fields", 431);
  const std::string_view value = trimmed(line.substr(colon + 1));
  if (std::any_of(value.begin(), value.end(),
                  [](char c) { return (static_cast<unsigned char>(c) < ' ' && c != '\t') || c == 0x7F; })) {
    throw bad("a header field has a control character");
  }
  request_.headers.emplace_back(lower_case(line.substr(0, colon)), value);
}

void HttpParser::end_head() {
  std::optional<std::size_t> length;
  const std::string* host = nullptr;
  const bool was_absolute = !request_.host.empty();
  for (const auto& [name, value] : request_.headers) {
    if (name == "host") {
      if (host) throw bad("there are two header fields Host");
      if (!is_host(value)) throw bad("Host is not a name or an address");
      host = &value;
      if (!was_absolute) request_.host = value;
    } else if (name == "content-length") {
      const auto given = number_in<std::size_t>(value, 10);
      if (!given || (length && *length != *given)) throw bad("Content-Length is not one number of bytes");
      length = given;
    } else if (name == "transfer-encoding") {
      if (!is_same_word(value, "chunked") || request_.is_chunked) {
        throw bad("Transfer-Encoding can be nothing but chunked here", 501);
      }
      request_.is_chunked = true;
    } else if (name == "connection") {
      if (request_.minor_version == 0 && has_word(value, "keep-alive")) request_.keep_alive = true;
    }
  }
  for (const auto& [name, value] : request_.headers) {
    if (name == "connection" && has_word(value, "close")) request_.keep_alive = false;
  }
  if (!host && request_.minor_version > 0) throw bad("there is no header field Host");
  if (request_.is_chunked && (length || request_.minor_version == 0)) {
    throw bad("it is not clear where the body ends");
  }
  request_.content_length = remaining_ = length.value_or(0);
  head_bytes_ = 0;
  state_ = request_.is_chunked ? State::kChunkSize : State::kBody;
}

void HttpParser::read_chunk_size(std::string_view line) {
  const auto size = number_in<std::size_t>(trimmed(line.substr(0, line.find(';'))), 16);
  if (!size) throw bad("a chunk has no size");
  if (*size > max_body_bytes_ - request_.body.size()) {
    throw ApiError(413, ErrorCode::kInvalidArgument,
                   "the body is longer than " + std::to_string(max_body_bytes_) + " bytes");
  }
  remaining_ = *size;
  state_ = *size > 0 ? State::kChunk : State::kTrailers;
}

HttpRequest HttpParser::take() {
  state_ = State::kRequestLine;
  head_bytes_ = 0;
  return std::exchange(request_, {});
}

}  // namespace rwkv::server
