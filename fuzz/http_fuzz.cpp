// Requests of HTTP: however the bytes are cut on their way, the same requests are read and the same is refused.
#include <algorithm>
#include <string>
#include <vector>

#include "server/api_error.h"
#include "server/http_parser.h"
#include "target.h"

namespace {

using rwkv::server::ApiError;
using rwkv::server::HttpParser;
using rwkv::server::HttpRequest;

constexpr std::size_t kMaxBodyBytes = 4096;

struct Reading {
  std::vector<std::string> requests;
  int refused_with = 0;

  bool operator==(const Reading&) const = default;
};

std::string summary_of(const HttpRequest& request) {
  std::string all = request.method + '\n' + request.path + '\n' + request.query + '\n' + request.host + '\n';
  for (const auto& [name, value] : request.headers) all += name + ':' + value + '\n';
  return all + request.body + (request.keep_alive ? "\nstays" : "\ngoes");
}

Reading read(std::string_view bytes, std::size_t piece) {
  HttpParser parser(kMaxBodyBytes);
  Reading reading;
  std::string unread;
  try {
    for (std::size_t at = 0; at < bytes.size(); at += piece) {
      unread += bytes.substr(at, piece);
      while (true) {
        const HttpParser::Found found = parser.advance(unread);
        if (found == HttpParser::Found::kNothing) break;
        // The server refuses a long body here, which a client without chunks says in the head.
        if (found == HttpParser::Found::kHead && parser.request().content_length > kMaxBodyBytes) return reading;
        if (found == HttpParser::Found::kRequest) {
          const HttpRequest request = parser.take();
          rwkv::fuzz::require(request.body.size() <= kMaxBodyBytes, "a body has a bound");
          reading.requests.push_back(summary_of(request));
        }
      }
      rwkv::fuzz::require(unread.size() <= (std::size_t{64} << 10) + piece, "what is unread has a bound");
    }
  } catch (const ApiError& error) {
    rwkv::fuzz::require(error.status() >= 400 && error.status() < 600, error.what());
    reading.refused_with = error.status();
  }
  return reading;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view bytes = rwkv::fuzz::text_of(data, size);
  const Reading whole = read(bytes, std::max<std::size_t>(size, 1));
  for (const std::size_t piece : {std::size_t{1}, std::size_t{7}}) {
    rwkv::fuzz::require(read(bytes, piece) == whole, "pieces are read like the whole");
  }
  return 0;
}
