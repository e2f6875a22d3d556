// One client's connection: what has come and what goes out. It never waits.
#pragma once

#include <chrono>
#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

#include "server/exchange.h"
#include "server/http_parser.h"
#include "server/routes.h"
#include "server/sockets.h"

namespace rwkv::server {

class Connection {
 public:
  using Clock = std::chrono::steady_clock;

  enum class State {
    kReading,    // until a request is whole, or for one to begin
    kPreparing,  // another thread reads what the request wants
    kWaiting,    // until fewer others generate
    kAnswering,  // its exchange generates
    kLeaving,    // nothing more is answered
  };

  /// `patience` as in ServerOptions.
  Connection(Socket socket, std::size_t max_body_bytes, std::chrono::milliseconds patience);

  /// Reads what has come, as far as there is room. False: the connection is broken.
  bool receive();
  /// Sends what goes without waiting. False: the connection is broken.
  bool flush();

  /// The next thing found in what has come, see HttpParser.
  HttpParser::Found advance() { return parser_.advance(in_); }
  const HttpRequest& request() const noexcept { return parser_.request(); }
  /// The whole request; its answer comes next.
  HttpRequest take_request();
  void invite_body();

  /// The whole answer. Then the next request is read, or the client is left.
  void respond(const HttpResponse& response);
  /// The same for an error. After one within a request nothing more can be read.
  void refuse(const ApiError& error);
  void begin_stream();
  void stream(std::string_view events);
  void end_stream();

  bool is_idle() const noexcept {
    return state == State::kReading && unsent() == 0 && in_.empty() && !parser_.is_within_request();
  }
  bool client_is_done() const noexcept { return client_is_done_; }
  bool has_room() const noexcept { return unsent() < kMostUnsent; }
  bool has_unread() const noexcept { return !in_.empty(); }
  bool is_within_request() const noexcept { return parser_.is_within_request(); }
  bool is_sending() const noexcept { return unsent() > 0; }
  /// Of the request that is being read.
  std::size_t body_bytes() const noexcept { return parser_.request().body.size(); }

  SocketHandle handle() const noexcept { return socket_.handle(); }
  /// What to wait for.
  short events() const noexcept;
  /// When patience ends.
  Clock::time_point deadline() const noexcept;
  Clock::time_point last_progress() const noexcept { return progressed_at_; }

  State state = State::kReading;
  const Route* route = nullptr;  // of the current request
  HttpHeaders of_answer;         // what its answer has, whatever it is
  std::unique_ptr<Exchange> exchange;
  std::size_t held_bytes = 0;  // what the current request counts against the server's memory
  bool may_stay = true;        // for further requests

 private:
  static constexpr std::size_t kMostUnsent = 64 << 10;  // of a stream; then it is not asked for more
  static constexpr std::size_t kMostUnread = 64 << 10;

  std::size_t unsent() const noexcept { return out_.size() - sent_; }
  void send(std::string_view bytes);
  void send_head(int status, HttpHeaders headers);
  void end_answer();

  Socket socket_;
  HttpParser parser_;
  const std::chrono::milliseconds patience_;
  std::string in_;
  std::string out_;
  std::size_t sent_ = 0;  // of out_
  bool client_is_done_ = false;
  bool has_finished_writing_ = false;
  // Of the current request.
  bool is_head_ = false;
  bool keep_alive_ = true;
  int minor_version_ = 1;
  std::size_t request_bytes_ = 0;
  Clock::time_point request_began_;
  Clock::time_point progressed_at_;
};

}  // namespace rwkv::server
