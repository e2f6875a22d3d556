// Who may ask for what.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <variant>
#include <vector>

#include "server/api_service.h"
#include "server/http_message.h"
#include "server/server_options.h"

namespace rwkv::server {

/// At once, or by a generation that has not begun.
using Answer = std::variant<HttpResponse, std::unique_ptr<Exchange>>;

struct Route {
  std::string method;
  std::string path;
  bool takes_more = false;                           // what follows the path is a name
  bool is_quick = false;                             // answered at once, whatever else goes on
  std::function<Answer(const HttpRequest&)> answer;  // throws
};

/// May be used from any thread.
class Routes {
 public:
  /// `service` outlives it. With `only_local` requests must name this machine, see ServerOptions::allowed_hosts.
  Routes(const ServerOptions& options, ApiService& service, bool only_local);

  /// The route of a request whose head has come. Throws ApiError for what is not allowed. Adds what every answer to it
  /// has, errors too, to `of_answer`.
  const Route& admit(const HttpRequest& request, HttpHeaders& of_answer) const;

 private:
  void check_host(const HttpRequest& request) const;
  void check_origin(const HttpRequest& request, HttpHeaders& of_answer) const;
  void check_key(const HttpRequest& request) const;
  void check_body(const HttpRequest& request, HttpHeaders& of_answer) const;
  const Route& find(const HttpRequest& request, HttpHeaders& of_answer) const;
  void add_generation(const char* path, RequestKind kind);

  const ServerOptions options_;
  const bool only_local_;
  ApiService& service_;
  std::vector<Route> routes_;
  Route asked_what_is_allowed_;
};

}  // namespace rwkv::server
