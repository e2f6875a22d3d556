// A server in the test's own process, and clients for it.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "server/http_server.h"
#include "support/scratch.h"

namespace rwkv::test {

using nlohmann::json;

std::unique_ptr<LanguageModel> load_script(const std::string& script, int max_sequences = 16);
std::unique_ptr<LanguageModel> load_shipped(int max_sequences = 16);

/// A served model whose requests are answered greedily where they say nothing else.
server::ServedModel greedy(LanguageModel& model, const std::string& name);
/// On any free port.
std::unique_ptr<server::HttpServer> serve(LanguageModel& model, server::ServerOptions options = {});

struct HttpAnswer {
  int status = 0;                              // 0: none came
  std::map<std::string, std::string> headers;  // names in lower case
  std::string body;

  json parsed() const { return json::parse(body); }
  /// parsed()["error"]
  json error() const { return parsed().at("error"); }
};

using Headers = std::map<std::string, std::string>;

HttpAnswer send(int port, const std::string& method, const std::string& path, const std::string& body = {},
                const Headers& headers = {});
HttpAnswer post(int port, const std::string& path, const json& body);

/// The data of each server-sent event.
std::vector<std::string> events_of(std::string_view stream);

/// A TCP connection.
class RawConnection {
 public:
  explicit RawConnection(int port);
  RawConnection(const RawConnection&) = delete;
  RawConnection& operator=(const RawConnection&) = delete;
  ~RawConnection() { close(); }

  void write(std::string_view bytes);
  /// Reads until `part` has come, or the other side closed, or 10 seconds have passed. All that has come so far.
  const std::string& read_until(std::string_view part);
  /// Waits until the other side has given the connection up. False: it has not within 10 seconds.
  bool wait_until_broken();
  /// Nothing more will be written.
  void finish_writing();
  void close();

 private:
  int socket_;
  std::string received_;
};

/// A whole POST request.
std::string post_text(const std::string& path, const std::string& body);

}  // namespace rwkv::test
