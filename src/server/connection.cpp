#include "server/connection.h"

#include <algorithm>
#include <charconv>
#include <utility>

namespace rwkv::server {
namespace {

using std::chrono::seconds;

constexpr const char* kJson = "application/json; charset=utf-8";
constexpr seconds kLongestIdle{60};
constexpr std::size_t kSlowestRequest = 32 << 10;  // bytes a second
constexpr seconds kLongestGoodbye{2};
constexpr std::size_t kReadAtOnce = 16 << 10;

}  // namespace

Connection::Connection(Socket socket, std::size_t max_body_bytes, std::chrono::milliseconds patience)
    : socket_(std::move(socket)), parser_(max_body_bytes), patience_(patience), progressed_at_(Clock::now()) {}

bool Connection::receive() {
  char buffer[kReadAtOnce];
  if (state != State::kLeaving && in_.size() >= kMostUnread) return true;
  const long count = socket_.read(buffer, sizeof buffer);
  if (count == kWouldWait) return true;
  if (count == kBroken) return false;
  if (count == 0) {
    client_is_done_ = true;
  } else if (state != State::kLeaving) {
    if (is_idle()) {
      request_began_ = Clock::now();
      request_bytes_ = 0;
    }
    request_bytes_ += static_cast<std::size_t>(count);
    in_.append(buffer, static_cast<std::size_t>(count));
  }
  return true;
}

bool Connection::flush() {
  while (unsent() > 0) {
    const long count = socket_.write(out_.data() + sent_, unsent());
    if (count == kBroken) return false;
    if (count <= 0) return true;
    sent_ += static_cast<std::size_t>(count);
    progressed_at_ = Clock::now();
  }
  std::string().swap(out_);
  sent_ = 0;
  if (state == State::kLeaving && !has_finished_writing_) {
    // Closed at once, what the client still sends would break the connection before it has read the answer.
    has_finished_writing_ = true;
    socket_.finish_writing();
  }
  return true;
}

HttpRequest Connection::take_request() {
  HttpRequest request = parser_.take();
  is_head_ = request.method == "HEAD";
  keep_alive_ = request.keep_alive;
  minor_version_ = request.minor_version;
  if (in_.empty()) std::string().swap(in_);  // idle connections are to be small
  return request;
}

void Connection::invite_body() {
  const bool has_body = request().is_chunked || request().content_length > 0;
  if (has_body && request().expects_continue() && in_.empty()) send("HTTP/1.1 100 Continue\r\n\r\n");
}

void Connection::respond(const HttpResponse& response) {
  HttpHeaders headers = response.headers;
  if (!response.body.empty()) headers.emplace_back("Content-Type", kJson);
  if (response.status != 204) headers.emplace_back("Content-Length", std::to_string(response.body.size()));
  send_head(response.status, std::move(headers));
  if (!is_head_) send(response.body);
  end_answer();
}

void Connection::refuse(const ApiError& error) {
  if (parser_.is_within_request()) {
    // What follows of it, if it has a body or is none, cannot be told from a next request.
    is_head_ = request().method == "HEAD";
    minor_version_ = request().minor_version;
    keep_alive_ = false;
  }
  HttpResponse response{error.status(), {}, to_text(error.to_json())};
  if (error.status() == 401) response.headers.emplace_back("WWW-Authenticate", "Bearer");
  respond(response);
}

void Connection::begin_stream() {
  HttpHeaders headers{{"Content-Type", "text/event-stream"}, {"Cache-Control", "no-cache"}};
  if (minor_version_ > 0) {
    headers.emplace_back("Transfer-Encoding", "chunked");
  } else {
    keep_alive_ = false;  // its end is that of the connection
  }
  send_head(200, std::move(headers));
}

void Connection::stream(std::string_view events) {
  if (events.empty()) return;
  if (minor_version_ == 0) return send(events);
  char size[16];
  const auto end = std::to_chars(size, size + sizeof size, events.size(), 16).ptr;
  std::string chunk(size, end);
  chunk += "\r\n";
  chunk += events;
  chunk += "\r\n";
  send(chunk);
}

void Connection::end_stream() {
  if (minor_version_ > 0) send("0\r\n\r\n");
  end_answer();
}

void Connection::send(std::string_view bytes) {
  if (unsent() == 0) progressed_at_ = Clock::now();
  if (sent_ > kMostUnsent) out_.erase(0, std::exchange(sent_, 0));
  out_ += bytes;
}

void Connection::send_head(int status, HttpHeaders headers) {
  headers.insert(headers.end(), of_answer.begin(), of_answer.end());
  keep_alive_ = keep_alive_ && may_stay;
  if (!keep_alive_) {
    headers.emplace_back("Connection", "close");
  } else {
    if (minor_version_ == 0) headers.emplace_back("Connection", "keep-alive");
    headers.emplace_back("Keep-Alive", "timeout=" + std::to_string(kLongestIdle.count()));
  }
  send(response_head(status, headers));
}

void Connection::end_answer() {
  of_answer.clear();
  route = nullptr;
  exchange.reset();
  request_began_ = Clock::now();
  request_bytes_ = in_.size();
  state = keep_alive_ ? State::kReading : State::kLeaving;
}

short Connection::events() const noexcept {
  const bool reads = state == State::kLeaving ? !client_is_done_ : in_.size() < kMostUnread && !client_is_done_;
  return static_cast<short>((reads ? POLLIN : 0) | (unsent() > 0 ? POLLOUT : 0));
}

Connection::Clock::time_point Connection::deadline() const noexcept {
  if (unsent() > 0) return progressed_at_ + patience_;
  switch (state) {
    case State::kReading:
      return parser_.is_within_request() ? request_began_ + patience_ + seconds(request_bytes_ / kSlowestRequest)
                                         : progressed_at_ + kLongestIdle;
    case State::kLeaving: return progressed_at_ + kLongestGoodbye;
    default: return Clock::time_point::max();
  }
}

}  // namespace rwkv::server
