#include "test_server.h"

#include <httplib.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <chrono>
#include <stdexcept>
#include <utility>

#include "support/connect.h"

namespace rwkv::test {

std::unique_ptr<LanguageModel> load_script(const std::string& script, int max_sequences) {
  const ScratchFolder scratch;
  const auto path = scratch.path() / "model.json";
  write_file(path, script);
  ModelRequest request;
  request.model_path = path;
  request.options.max_sequences = max_sequences;
  return LanguageModel::load(request);
}

std::unique_ptr<LanguageModel> load_shipped(int max_sequences) {
  ModelRequest request;
  request.model_path = kModel;
  request.options.max_sequences = max_sequences;
  return LanguageModel::load(request);
}

server::ServedModel greedy(LanguageModel& model, const std::string& name) {
  server::ServedModel served;
  served.name = name;
  served.model = &model;
  served.defaults.sampler.top_k = 1;
  served.defaults.penalties = {0, 0, 0};
  return served;
}

std::unique_ptr<server::HttpServer> serve(LanguageModel& model, server::ServerOptions options) {
  options.port = 0;
  std::vector<server::ServedModel> models;
  models.push_back(greedy(model, "tiny"));
  return std::make_unique<server::HttpServer>(std::move(models), options);
}

HttpAnswer send(int port, const std::string& method, const std::string& path, const std::string& body,
                const Headers& headers) {
  httplib::Client client("127.0.0.1", port);
  client.set_read_timeout(120);
  httplib::Request request;
  request.method = method;
  request.path = path;
  request.body = body;
  for (const auto& [name, value] : headers) request.set_header(name, value);
  if (!body.empty() && !request.has_header("Content-Type")) request.set_header("Content-Type", "application/json");
  const httplib::Result result = client.send(request);
  HttpAnswer answer;
  if (!result) return answer;
  answer.status = result->status;
  answer.body = result->body;
  for (const auto& [name, value] : result->headers) {
    std::string lower = name;
    for (char& c : lower) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    answer.headers[lower] = value;
  }
  return answer;
}

HttpAnswer post(int port, const std::string& path, const json& body) { return send(port, "POST", path, body.dump()); }

std::vector<std::string> events_of(std::string_view stream) {
  constexpr std::string_view kField = "data: ";
  std::vector<std::string> events;
  while (!stream.empty()) {
    const std::size_t end = stream.find("\n\n");
    if (end == std::string_view::npos || !stream.starts_with(kField)) throw std::runtime_error("not an event stream");
    events.emplace_back(stream.substr(kField.size(), end - kField.size()));
    stream.remove_prefix(end + 2);
  }
  return events;
}

RawConnection::RawConnection(int port) : socket_(connect_to(port)) {}

void RawConnection::write(std::string_view bytes) {
  while (!bytes.empty()) {
    const auto written = ::send(socket_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (written <= 0) return;  // the other side has had enough
    bytes.remove_prefix(static_cast<std::size_t>(written));
  }
}

const std::string& RawConnection::read_until(std::string_view part) {
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(10);
  while (received_.find(part) == std::string::npos && std::chrono::steady_clock::now() < end) {
    pollfd readable{socket_, POLLIN, 0};
    if (poll(&readable, 1, 100) <= 0) continue;
    char buffer[4096];
    const auto count = recv(socket_, buffer, sizeof buffer, 0);
    if (count <= 0) break;
    received_.append(buffer, static_cast<std::size_t>(count));
  }
  return received_;
}

bool RawConnection::wait_until_broken() {
  pollfd broken{socket_, 0, 0};
  return poll(&broken, 1, 10000) == 1;
}

void RawConnection::finish_writing() { shutdown(socket_, SHUT_WR); }

void RawConnection::close() {
  if (socket_ >= 0) ::close(socket_);
  socket_ = -1;
}

std::string post_text(const std::string& path, const std::string& body) {
  return "POST " + path + " HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: " +
         std::to_string(body.size()) + "\r\n\r\n" + body;
}

}  // namespace rwkv::test
