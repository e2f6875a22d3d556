// The HTTP API: what OpenAI clients expect, and the routes of the existing engine.
#pragma once

#include <memory>
#include <vector>

#include "server/served_model.h"
#include "server/server_options.h"

namespace rwkv::server {

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
