// A file as an honest server gives it, whole or from a byte on.
#pragma once

#include <string>
#include <vector>

#include "support/http_server.h"

namespace rwkv::test {

// 1000 times "a"; its SHA-256 by coreutils.
inline const std::string kContent(1000, 'a');
inline const std::string kDigest = "41edece42d63e8d9bf515a9ba6932e1c20cbc9f5a5d134645adb5db1b9737ea3";

/// The head of an answer after which the connection closes.
inline std::string head(const std::string& status, const std::vector<std::string>& headers) {
  std::string text = "HTTP/1.1 " + status + "\r\nConnection: close\r\n";
  for (const std::string& header : headers) text += header + "\r\n";
  return text + "\r\n";
}

/// The first byte that a request wants, 0 without a Range.
inline std::size_t wanted(const std::string& request) {
  const std::size_t at = request.find("Range: bytes=");
  return at == std::string::npos ? 0 : std::stoul(request.substr(at + 13));
}

/// Says that all that is wanted of kContent comes, and sends `cut` bytes of it.
inline void serve(const std::string& request, HttpServer::Connection& to, std::size_t cut = std::string::npos) {
  const std::size_t from = wanted(request);
  const std::string total = std::to_string(kContent.size());
  const std::string body = kContent.substr(from);
  const std::string length = "Content-Length: " + std::to_string(body.size());
  if (from == 0) {
    to.send(head("200 OK", {length, "ETag: \"v1\""}));
  } else {
    to.send(head("206 Partial Content", {length, "ETag: \"v1\"",
                                         "Content-Range: bytes " + std::to_string(from) + "-" +
                                             std::to_string(kContent.size() - 1) + "/" + total}));
  }
  to.send(body.substr(0, cut));
}

}  // namespace rwkv::test
