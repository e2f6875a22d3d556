#include "server/http_server.h"

#include <httplib.h>

#include <atomic>
#include <csignal>
#include <mutex>
#include <thread>
#include <utility>

#include "server/api_service.h"
#include "server/connection_threads.h"

namespace rwkv::server {
namespace {

using httplib::Request;
using httplib::Response;

constexpr const char* kJson = "application/json; charset=utf-8";
constexpr std::size_t kMostWaiting = 512;  // connections without a thread
constexpr std::size_t kRequestsOfConnection = 10000;

void send_json(Response& response, const OrderedJson& json) { response.set_content(to_text(json), kJson); }

void send_error(Response& response, const ApiError& error) {
  response.status = error.status();
  send_json(response, error.to_json());
}

// In a time that does not tell how much of it is right.
bool is_same(std::string_view given, std::string_view wanted) {
  unsigned difference = given.size() == wanted.size() ? 0 : 1;
  for (std::size_t i = 0; i < given.size(); ++i) {
    difference |= static_cast<unsigned char>(given[i] ^ wanted[i % wanted.size()]);
  }
  return difference == 0;
}

void take_exclusive_port(socket_t socket) {
#ifdef _WIN32
  httplib::set_socket_opt(socket, SOL_SOCKET, SO_EXCLUSIVEADDRUSE, 1);
#else
  // A port whose last connections are dying may be taken; one that is listened on may not.
  httplib::set_socket_opt(socket, SOL_SOCKET, SO_REUSEADDR, 1);
#endif
}

// Making one sets the process to ignore broken pipes. Ours are sent to without signals where that can be said, and then
// the host keeps its own choice.
std::unique_ptr<httplib::Server> make_server() {
#ifdef MSG_NOSIGNAL
  struct sigaction before {};
  sigaction(SIGPIPE, nullptr, &before);
  auto server = std::make_unique<httplib::Server>();
  sigaction(SIGPIPE, &before, nullptr);
  return server;
#else
  return std::make_unique<httplib::Server>();
#endif
}

ApiError as_api_error(const std::exception_ptr& thrown) {
  try {
    std::rethrow_exception(thrown);
  } catch (const ApiError& error) {
    return error;
  } catch (const Error& error) {
    return ApiError(error);
  } catch (const std::bad_alloc&) {
    return ApiError(500, ErrorCode::kOutOfMemory, "out of memory");
  } catch (const std::exception& error) {
    return ApiError(500, ErrorCode::kInternal, error.what());
  } catch (...) {
    return ApiError(500, ErrorCode::kInternal, "an unknown failure");
  }
}

}  // namespace

class HttpServer::Impl {
 public:
  Impl(std::vector<ServedModel> models, const ServerOptions& options)
      : options_(options), service_(std::move(models), options.any_model_name), http_(make_server()) {
    check_options();
    http_->new_task_queue = [most = static_cast<std::size_t>(options_.max_connections)] {
      return new ConnectionThreads(most, kMostWaiting);
    };
    http_->set_socket_options(take_exclusive_port);
    http_->set_tcp_nodelay(true);
    http_->set_payload_max_length(options_.max_body_bytes);
    http_->set_keep_alive_max_count(kRequestsOfConnection);
    add_gates();
    add_routes();
    listen();
  }

  ~Impl() {
    stop();
    wait();
  }

  int port() const noexcept { return port_; }
  bool running() const noexcept { return !stopping_ && http_->is_running(); }

  void stop() noexcept {
    stopping_ = true;
    http_->stop();
  }

  void wait() {
    const std::lock_guard lock(wait_mutex_);
    if (listener_.joinable()) listener_.join();
  }

 private:
  void check_options() const {
    if (options_.port < 0 || options_.port > 65535) {
      throw Error(ErrorCode::kInvalidArgument, "port is " + std::to_string(options_.port) + "; it is 0 to 65535");
    }
    if (options_.max_connections < 1 || options_.max_connections > 4096) {
      throw Error(ErrorCode::kInvalidArgument,
                  "max_connections is " + std::to_string(options_.max_connections) + "; it is 1 to 4096");
    }
  }

  void listen() {
    port_ = options_.port;
    const bool bound =
        port_ == 0 ? (port_ = http_->bind_to_any_port(options_.host)) > 0 : http_->bind_to_port(options_.host, port_);
    if (!bound) {
      throw Error(ErrorCode::kIo, "cannot listen on " + options_.host + ":" + std::to_string(options_.port) +
                                      "; the port is taken, or this machine has no such address");
    }
    listener_ = std::thread([this] { http_->listen_after_bind(); });
    http_->wait_until_ready();
  }

  // What every request passes before and after its route.
  void add_gates() {
    http_->set_pre_routing_handler([this](const Request& request, Response& response) {
      try {
        check_origin(request, response);
        if (request.method == "OPTIONS") {
          response.status = 204;
          return httplib::Server::HandlerResponse::Handled;
        }
        check_key(request);
        return httplib::Server::HandlerResponse::Unhandled;
      } catch (const ApiError& error) {
        send_error(response, error);
        return httplib::Server::HandlerResponse::Handled;
      }
    });
    http_->set_exception_handler([](const Request&, Response& response, std::exception_ptr thrown) {
      send_error(response, as_api_error(thrown));
    });
    // What HTTP itself refuses.
    http_->set_error_handler([this](const Request& request, Response& response) {
      if (response.body.empty()) send_json(response, refusal(request, response.status).to_json());
    });
  }

  void check_origin(const Request& request, Response& response) const {
    if (!request.has_header("Origin")) return;
    const std::string origin = request.get_header_value("Origin");
    if (options_.web_origin != "*" && options_.web_origin != origin) {
      throw ApiError(403, ErrorCode::kInvalidArgument, "this server takes no requests from pages of " + origin);
    }
    response.set_header("Access-Control-Allow-Origin", options_.web_origin);
    response.set_header("Vary", "Origin");
    if (request.method != "OPTIONS") return;
    response.set_header("Access-Control-Allow-Methods", "GET, POST");
    response.set_header("Access-Control-Allow-Headers", request.get_header_value("Access-Control-Request-Headers"));
    response.set_header("Access-Control-Max-Age", "600");
  }

  void check_key(const Request& request) const {
    if (options_.api_key.empty() || request.path == "/health") return;
    if (is_same(request.get_header_value("Authorization"), "Bearer " + options_.api_key)) return;
    throw ApiError(401, ErrorCode::kInvalidArgument, "this server wants its key as `Authorization: Bearer KEY`");
  }

  ApiError refusal(const Request& request, int status) const {
    switch (status) {
      case 404:
        return ApiError(404, ErrorCode::kNotFound, "there is no " + request.method + " " + request.path + " here");
      case 413:
        return ApiError(413, ErrorCode::kInvalidArgument,
                        "the body is longer than " + std::to_string(options_.max_body_bytes) + " bytes");
      default: return ApiError(status, ErrorCode::kInvalidArgument, "this is not a request that HTTP allows");
    }
  }

  void add_routes() {
    http_->Get("/health", [](const Request&, Response& response) { send_json(response, {{"status", "ok"}}); });
    http_->Get("/v1/models", [this](const Request&, Response& response) { send_json(response, service_.models()); });
    http_->Get("/v1/models/(.+)", [this](const Request& request, Response& response) {
      send_json(response, service_.model(request.matches[1]));
    });
    http_->Get("/v1/batch/supported_batch_sizes", [this](const Request& request, Response& response) {
      send_json(response, service_.batch_sizes(request.get_param_value("model")));
    });
    http_->Get("/v1/chat/roles", [this](const Request& request, Response& response) {
      send_json(response, service_.roles(request.get_param_value("model")));
    });
    http_->Post("/v1/chat/roles", [this](const Request& request, Response& response) {
      send_json(response, service_.set_roles(request.body));
    });
    add_generation("/v1/chat/completions", RequestKind::kChat);
    add_generation("/v1/completions", RequestKind::kCompletion);
    add_generation("/v1/batch/chat", RequestKind::kBatchChat);
    add_generation("/v1/batch/completions", RequestKind::kBatchCompletion);
  }

  void add_generation(const char* path, RequestKind kind) {
    http_->Post(path, [this, kind](const Request& request, Response& response) {
      // The response holds what writes it, and that must be copyable.
      const std::shared_ptr<Exchange> exchange = service_.generate(kind, request.body);
      const Exchange::Client client{request.is_connection_closed, &stopping_};
      if (!exchange->streams()) {
        send_json(response, exchange->answer(client));
        return;
      }
      response.set_header("Cache-Control", "no-cache");
      response.set_chunked_content_provider(
          "text/event-stream", [exchange, client](std::size_t, httplib::DataSink& sink) {
            const auto write = [&](std::string_view data) { return sink.write(data.data(), data.size()); };
            if (!exchange->stream(client, write)) return false;
            sink.done();
            return true;
          });
    });
  }

  const ServerOptions options_;
  ApiService service_;
  std::unique_ptr<httplib::Server> http_;
  int port_ = 0;
  std::atomic<bool> stopping_{false};
  std::mutex wait_mutex_;
  std::thread listener_;  // owns those of the connections
};

HttpServer::HttpServer(std::vector<ServedModel> models, const ServerOptions& options)
    : impl_(std::make_unique<Impl>(std::move(models), options)) {}
HttpServer::~HttpServer() = default;
int HttpServer::port() const noexcept { return impl_->port(); }
bool HttpServer::running() const noexcept { return impl_->running(); }
void HttpServer::stop() noexcept { impl_->stop(); }
void HttpServer::wait() { impl_->wait(); }

}  // namespace rwkv::server
