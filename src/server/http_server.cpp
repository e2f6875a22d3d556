#include "server/http_server.h"

#include <atomic>
#include <mutex>
#include <string>
#include <system_error>
#include <thread>
#include <utility>

#include "server/api_service.h"
#include "server/connection_loop.h"
#include "server/routes.h"
#include "server/sockets.h"

namespace rwkv::server {
namespace {

const ServerOptions& checked(const ServerOptions& options) {
  if (options.port < 0 || options.port > 65535) {
    throw Error(ErrorCode::kInvalidArgument, "port is " + std::to_string(options.port) + "; it is 0 to 65535");
  }
  if (options.max_connections < 1 || options.max_connections > 4096) {
    throw Error(ErrorCode::kInvalidArgument,
                "max_connections is " + std::to_string(options.max_connections) + "; it is 1 to 4096");
  }
  return options;
}

}  // namespace

class HttpServer::Impl {
 public:
  Impl(std::vector<ServedModel> models, const ServerOptions& options)
      : service_(std::move(models), checked(options).any_model_name),
        listener_(listen_on(options.host, options.port)),
        port_(port_of(listener_)),
        routes_(options, service_, is_loopback(listener_)),
        loop_(std::move(listener_), routes_, options),
        thread_([this] { loop_.run(); }) {}

  ~Impl() {
    stop();
    wait();
  }

  int port() const noexcept { return port_; }
  bool running() const noexcept { return !stopping_; }

  void stop() noexcept {
    stopping_ = true;
    loop_.stop();
  }

  void wait() {
    const std::lock_guard lock(wait_mutex_);
    if (thread_.joinable()) thread_.join();
  }

 private:
  ApiService service_;
  Socket listener_;  // until the loop has it
  const int port_;
  const Routes routes_;
  ConnectionLoop loop_;
  std::atomic<bool> stopping_{false};
  std::mutex wait_mutex_;
  std::thread thread_;
};

HttpServer::HttpServer(std::vector<ServedModel> models, const ServerOptions& options) try
    : impl_(std::make_unique<Impl>(std::move(models), options)) {
} catch (const std::system_error& error) {
  throw Error(ErrorCode::kIo, std::string("cannot start the threads of the server: ") + error.what());
}
HttpServer::~HttpServer() = default;
int HttpServer::port() const noexcept { return impl_->port(); }
bool HttpServer::running() const noexcept { return impl_->running(); }
void HttpServer::stop() noexcept { impl_->stop(); }
void HttpServer::wait() { impl_->wait(); }

}  // namespace rwkv::server
