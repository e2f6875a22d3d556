#include "server/routes.h"

#include <algorithm>
#include <utility>

namespace rwkv::server {
namespace {

HttpResponse json_response(const OrderedJson& json) { return {200, {}, to_text(json)}; }

// In a time that does not tell how much of it is right.
bool is_same(std::string_view given, std::string_view wanted) {
  unsigned difference = given.size() == wanted.size() ? 0 : 1;
  for (std::size_t i = 0; i < given.size(); ++i) {
    difference |= static_cast<unsigned char>(given[i] ^ wanted[i % wanted.size()]);
  }
  return difference == 0;
}

std::string name_without_port(std::string_view host) {
  const std::size_t colon = host.rfind(':');
  if (colon != std::string_view::npos && host.find(']', colon) == std::string_view::npos) host = host.substr(0, colon);
  if (host.ends_with('.')) host.remove_suffix(1);
  return lower_case(host);
}

bool is_ipv4(std::string_view name) {
  return std::count(name.begin(), name.end(), '.') == 3 &&
         name.find_first_not_of("0123456789.") == std::string_view::npos;
}

bool is_of_this_machine(std::string_view name) {
  return name.find('.') == std::string_view::npos
             ? !name.starts_with('[') || name == "[::1]"
             : name.ends_with(".localhost") || (is_ipv4(name) && name.starts_with("127."));
}

bool has(const std::vector<std::string>& list, std::string_view item) {
  return std::find(list.begin(), list.end(), item) != list.end();
}

}  // namespace

Routes::Routes(const ServerOptions& options, ApiService& service, bool only_local)
    : options_(options), only_local_(only_local), service_(service) {
  const auto add = [this](const char* method, const char* path, bool quick, auto answer) -> Route& {
    return routes_.emplace_back(Route{method, path, false, quick, std::move(answer)});
  };
  add("GET", "/health", true, [](const HttpRequest&) { return json_response({{"status", "ok"}}); });
  add("GET", "/v1/models", true, [this](const HttpRequest&) { return json_response(service_.models()); });
  add("GET", "/v1/batch/supported_batch_sizes", true,
      [this](const HttpRequest& request) { return json_response(service_.batch_sizes(request.parameter("model"))); });
  add("GET", "/v1/chat/roles", true,
      [this](const HttpRequest& request) { return json_response(service_.roles(request.parameter("model"))); });
  add("POST", "/v1/chat/roles", false,
      [this](const HttpRequest& request) { return json_response(service_.set_roles(request.body)); });
  add_generation("/v1/chat/completions", RequestKind::kChat);
  add_generation("/v1/completions", RequestKind::kCompletion);
  add_generation("/v1/batch/chat", RequestKind::kBatchChat);
  add_generation("/v1/batch/completions", RequestKind::kBatchCompletion);
  const std::string one_model = "/v1/models/";
  Route& model = add("GET", one_model.c_str(), true, [this, one_model](const HttpRequest& request) {
    return json_response(service_.model(request.path.substr(one_model.size())));
  });
  model.takes_more = true;
  asked_what_is_allowed_.is_quick = true;
  asked_what_is_allowed_.answer = [](const HttpRequest&) { return HttpResponse{204, {}, {}}; };
}

void Routes::add_generation(const char* path, RequestKind kind) {
  routes_.push_back({"POST", path, false, false,
                     [this, kind](const HttpRequest& request) { return service_.generate(kind, request.body); }});
}

const Route& Routes::admit(const HttpRequest& request, HttpHeaders& of_answer) const {
  check_host(request);
  check_origin(request, of_answer);
  if (request.method != "OPTIONS") check_key(request);  // which browsers leave out when they ask what is allowed
  const Route& route = find(request, of_answer);
  check_body(request, of_answer);
  return route;
}

void Routes::check_host(const HttpRequest& request) const {
  if (request.host.empty() || has(options_.allowed_hosts, "*")) return;  // browsers always say whom they want
  if (!only_local_ && options_.allowed_hosts.empty()) return;
  const std::string name = name_without_port(request.host);
  if (is_of_this_machine(name) || name == name_without_port(options_.host)) return;
  if (!only_local_ && (is_ipv4(name) || name.starts_with('['))) return;
  for (const std::string& allowed : options_.allowed_hosts) {
    if (name == name_without_port(allowed)) return;
  }
  throw ApiError(403, ErrorCode::kInvalidArgument,
                 "this server takes no requests for the host '" + name +
                     "' unless it is started with that name allowed (rwkv serve: --allow-host)");
}

void Routes::check_origin(const HttpRequest& request, HttpHeaders& of_answer) const {
  const std::string* origin = request.header("origin");
  if (!origin) return;
  const bool any = has(options_.web_origins, "*");
  if (!any && !has(options_.web_origins, *origin)) {
    throw ApiError(403, ErrorCode::kInvalidArgument, "this server takes no requests from pages of " + *origin);
  }
  of_answer.emplace_back("Access-Control-Allow-Origin", any ? "*" : *origin);
  of_answer.emplace_back("Vary", "Origin");
  if (request.method != "OPTIONS") return;
  of_answer.emplace_back("Access-Control-Allow-Methods", "GET, POST");
  if (const std::string* wanted = request.header("access-control-request-headers")) {
    of_answer.emplace_back("Access-Control-Allow-Headers", *wanted);
  }
  of_answer.emplace_back("Access-Control-Max-Age", "600");
}

void Routes::check_key(const HttpRequest& request) const {
  if (options_.api_key.empty() || request.path == "/health") return;
  if (const std::string* given = request.header("authorization")) {
    const std::size_t space = std::min(given->find(' '), given->size());
    const std::size_t key = std::min(given->find_first_not_of(' ', space), given->size());
    if (is_same_word(given->substr(0, space), "bearer") && is_same(given->substr(key), options_.api_key)) return;
  }
  throw ApiError(401, ErrorCode::kInvalidArgument, "this server wants its key as `Authorization: Bearer KEY`");
}

const Route& Routes::find(const HttpRequest& request, HttpHeaders& of_answer) const {
  const std::string_view method = request.method == "HEAD" ? "GET" : std::string_view(request.method);
  const bool about_all = request.path == "*";
  std::string allowed;
  for (const Route& route : routes_) {
    const bool fits = route.takes_more ? request.path.starts_with(route.path) : request.path == route.path;
    if (!fits && !about_all) continue;
    if (method == route.method) return route;
    const std::string methods = route.method == "GET" ? "GET, HEAD" : route.method;
    if (allowed.find(methods) == std::string::npos) allowed += methods + ", ";
  }
  const std::string what = request.method + " " + request.path;
  if (allowed.empty()) throw ApiError(404, ErrorCode::kNotFound, "there is no " + what + " here");
  of_answer.emplace_back("Allow", allowed + "OPTIONS");
  if (method == "OPTIONS") return asked_what_is_allowed_;
  throw ApiError(405, ErrorCode::kInvalidArgument, "there is no " + what + " here, but " + allowed + "OPTIONS of it");
}

void Routes::check_body(const HttpRequest& request, HttpHeaders& of_answer) const {
  const std::string* coding = request.header("content-encoding");
  if (coding && !coding->empty() && !is_same_word(*coding, "identity")) {
    of_answer.emplace_back("Accept-Encoding", "identity");
    throw ApiError(415, ErrorCode::kUnsupported,
                   "the body is packed (Content-Encoding: " + *coding + "); this server takes it only as it is");
  }
  if (request.content_length > options_.max_body_bytes) {
    throw ApiError(413, ErrorCode::kInvalidArgument,
                   "the body is longer than " + std::to_string(options_.max_body_bytes) + " bytes");
  }
}

}  // namespace rwkv::server
