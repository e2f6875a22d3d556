// The HTTP API: what OpenAI clients expect, and the routes of the existing engine.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include "server/served_model.h"

namespace rwkv::server {

struct ServerOptions {
  /// A name or an address of this machine. Other machines reach what is not a loopback address.
  std::string host = "127.0.0.1";
  int port = 8000;  // 0: any free one
  /// What requests must bring as `Authorization: Bearer KEY` (but GET /health). Empty: nothing.
  std::string api_key;
  /// The origin of web pages that may use the server, for example "https://example.org", or "*". Requests from others
  /// are refused, since any page that somebody visits could send them. Empty: none may.
  std::string web_origin;
  /// Requests for a model that is not known get the first one. (Clients of the existing engine name any.)
  bool any_model_name = false;
  std::size_t max_body_bytes = std::size_t{8} << 20;
  /// Served at once, each by a thread; some hundred more wait.
  int max_connections = 64;
};

/// Listens and serves from construction to stop(). Every method may be called from any thread, except the destructor.
class HttpServer {
 public:
  /// Throws Error(kInvalidArgument) for no models, two of one name, and options out of range, and Error(kIo) when it
  /// cannot listen there.
  HttpServer(std::vector<ServedModel> models, const ServerOptions& options);
  HttpServer(const HttpServer&) = delete;
  HttpServer& operator=(const HttpServer&) = delete;
  /// stop() and wait().
  ~HttpServer();

  /// The port that it listens on.
  int port() const noexcept;
  /// Until stop(), or until it can listen no more.
  bool running() const noexcept;
  /// Takes no more connections and cancels what is being generated. Returns at once.
  void stop() noexcept;
  /// Until stop() was called and the last answer has gone out.
  void wait();

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace rwkv::server
