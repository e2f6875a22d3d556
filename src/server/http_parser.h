// Reads requests of HTTP/1.0 and 1.1 (RFC 9112) from bytes as they come.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "server/http_message.h"

namespace rwkv::server {

/// Reads one request after the other. What could be read in two ways is refused: behind another server that reads it
/// the other way, a part of one client's request would be taken for the next one.
class HttpParser {
 public:
  enum class Found { kNothing, kHead, kRequest };

  /// Chunked bodies longer than this are refused. (Of others the head says how long they are.)
  explicit HttpParser(std::size_t max_body_bytes) : max_body_bytes_(max_body_bytes) {}

  /// Goes on with `bytes`, whose front is taken away as far as it was read, to the next thing found: a head once it is
  /// whole, then its request. Throws ApiError for what is no request; nothing can be read after that.
  Found advance(std::string& bytes);

  /// What has been read of the current one.
  const HttpRequest& request() const noexcept { return request_; }
  /// After kRequest: the request. The next one begins.
  HttpRequest take();
  /// Whether there is a part of a request that is not yet whole, or none.
  bool is_within_request() const noexcept { return is_broken_ || state_ != State::kRequestLine || scanned_ > 0; }

 private:
  enum class State { kRequestLine, kHeaders, kBody, kChunkSize, kChunk, kChunkEnd, kTrailers, kDone };

  bool next_line(std::string_view& rest, std::string_view& line);
  void read_request_line(std::string_view line);
  void read_header(std::string_view line);
  void end_head();
  void read_chunk_size(std::string_view line);

  const std::size_t max_body_bytes_;
  State state_ = State::kRequestLine;
  bool is_broken_ = false;
  HttpRequest request_;
  std::size_t scanned_ = 0;     // bytes of an unfinished line that have no line end
  std::size_t head_bytes_ = 0;  // of this head, or of the trailers
  std::size_t remaining_ = 0;   // of the body or the chunk
};

}  // namespace rwkv::server
