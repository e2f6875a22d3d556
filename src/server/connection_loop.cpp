#include "server/connection_loop.h"

#include <algorithm>
#include <thread>
#include <utility>

namespace rwkv::server {
namespace {

using std::chrono::milliseconds;
using State = Connection::State;

constexpr std::size_t kMostConnections = 10000;
constexpr std::size_t kMostWaiting = 512;    // requests that do not generate yet
constexpr std::size_t kMostBodiesHeld = 16;  // their bytes, in bodies of the greatest length
constexpr int kMostAcceptedAtOnce = 64;
constexpr milliseconds kPauseOfAccepting{100};
constexpr milliseconds kLongestGoodbye{1000};  // of a server that is being stopped
constexpr milliseconds kLongestWait{60000};

ApiError stopping_error() { return ApiError(503, ErrorCode::kCancelled, "the server is being stopped"); }
ApiError busy_error() {
  return ApiError(503, ErrorCode::kBusy, "too many requests wait for an answer; try again later");
}

}  // namespace

ConnectionLoop::ConnectionLoop(Socket listener, const Routes& routes, const ServerOptions& options)
    : routes_(routes),
      max_body_bytes_(options.max_body_bytes),
      patience_(options.patience),
      most_running_(static_cast<std::size_t>(options.max_connections)),
      listener_(std::move(listener)) {}

void ConnectionLoop::stop() noexcept {
  stopping_ = true;
  mail_->tell_to_look();
}

void ConnectionLoop::run() noexcept {
  while (true) {
    try {
      if (!turn()) return;
    } catch (...) {  // no memory for the turn's own lists; there may be some soon
      std::this_thread::sleep_for(milliseconds(10));
    }
  }
}

// False: everything has ended.
bool ConnectionLoop::turn() {
  if (stopping_ && !has_stopped_) begin_to_stop();
  if (has_stopped_ && connections_.empty() && ending_.empty() && unprepared_ == 0) return false;
  wait();
  take_mail();
  const bool accepts = listener_.is_open() && polled_.size() > polled_ids_.size() + 1;
  if (accepts && polled_[1].revents != 0) accept_all();
  const std::size_t first = polled_.size() - polled_ids_.size();
  for (std::size_t i = 0; i < polled_ids_.size(); ++i) {
    if (polled_[first + i].revents != 0) handle(polled_ids_[i], polled_[first + i].revents);
  }
  start_waiting();
  return true;
}

void ConnectionLoop::begin_to_stop() {
  has_stopped_ = true;
  stopped_at_ = Clock::now();
  listener_.close();
  for (auto next = connections_.begin(); next != connections_.end();) {
    const Id id = (next++)->first;
    with(id, [&](Connection& connection) {
      connection.may_stay = false;
      switch (connection.state) {
        case State::kReading: connection.state = State::kLeaving; break;
        case State::kPreparing:
        case State::kWaiting: connection.refuse(stopping_error()); break;
        case State::kAnswering: connection.exchange->cancel(); break;
        case State::kLeaving: break;
      }
      return true;
    });
  }
  waiting_.clear();
}

// Until something happens. Those whose time is over go instead.
void ConnectionLoop::wait() {
  polled_.clear();
  polled_ids_.clear();
  expired_.clear();
  const Clock::time_point now = Clock::now();
  Clock::time_point until = now + kLongestWait;
  polled_.push_back({mail_->handle(), POLLIN, 0});
  if (listener_.is_open() && now >= accepts_from_) {
    polled_.push_back({listener_.handle(), POLLIN, 0});
  } else if (listener_.is_open()) {
    until = accepts_from_;
  }
  for (const auto& [id, connection] : connections_) {
    const Clock::time_point deadline = deadline_of(*connection);
    if (deadline <= now) expired_.push_back(id);
    until = std::min(until, deadline);
    polled_.push_back({connection->handle(), connection->events(), 0});
    polled_ids_.push_back(id);
  }
  for (const Id id : expired_) expire(id);
  if (!expired_.empty()) return;
  const auto left = std::chrono::ceil<milliseconds>(until - now);
  wait_for(polled_, static_cast<int>(left.count()));
}

ConnectionLoop::Clock::time_point ConnectionLoop::deadline_of(const Connection& connection) const noexcept {
  const Clock::time_point deadline = connection.deadline();
  if (!has_stopped_ || deadline == Clock::time_point::max()) return deadline;
  return std::min(deadline, std::max(stopped_at_, connection.last_progress()) + kLongestGoodbye);
}

void ConnectionLoop::expire(Id id) noexcept {
  with(id, [&](Connection& connection) {
    if (connection.state != State::kReading || connection.is_sending() || !connection.is_within_request()) return false;
    hold(connection, 0);
    connection.refuse(ApiError(408, ErrorCode::kInvalidArgument, "the request did not come to its end in time"));
    return true;
  });
}

void ConnectionLoop::take_mail() {
  LoopMail::Letters letters = mail_->take();
  for (LoopMail::Prepared& prepared : letters.prepared) take_prepared(prepared);
  if (letters.of_all) {
    letters.news.clear();
    for (const auto& [id, connection] : connections_) letters.news.push_back(id);
    for (const auto& [id, exchange] : ending_) letters.news.push_back(id);
  }
  for (const Id id : letters.news) take_news(id);
}

void ConnectionLoop::take_prepared(LoopMail::Prepared& prepared) noexcept {
  --unprepared_;
  const Id id = prepared.connection;
  with(id, [&](Connection& connection) {
    if (connection.state != State::kPreparing) return true;  // refused meanwhile
    if (const auto* error = std::get_if<ApiError>(&prepared.outcome)) {
      hold(connection, 0);
      connection.refuse(*error);
      return true;
    }
    auto& answer = std::get<Answer>(prepared.outcome);
    if (const auto* response = std::get_if<HttpResponse>(&answer)) {
      hold(connection, 0);
      connection.respond(*response);
      return true;
    }
    waiting_.push_back(id);
    connection.exchange = std::move(std::get<std::unique_ptr<Exchange>>(answer));
    connection.state = State::kWaiting;
    return true;
  });
}

void ConnectionLoop::take_news(Id id) noexcept {
  const auto ending = ending_.find(id);
  if (ending == ending_.end()) return with(id, [](Connection&) { return true; });
  if (!ending->second->has_ended()) return;
  ending_.erase(ending);
  --running_;
}

void ConnectionLoop::accept_all() {
  for (int i = 0; i < kMostAcceptedAtOnce; ++i) {
    Accepted accepted = accept_from(listener_);
    if (accepted.has_failed && !make_room()) {
      accepts_from_ = Clock::now() + kPauseOfAccepting;
      return;
    }
    if (accepted.has_failed) continue;
    if (!accepted.socket.is_open()) return;
    if (connections_.size() >= kMostConnections && !make_room()) continue;
    connections_.emplace(++last_id_,
                         std::make_unique<Connection>(std::move(accepted.socket), max_body_bytes_, patience_));
  }
}

// Lets the connection go that has been idle for longest, as HTTP allows. False: none is idle.
bool ConnectionLoop::make_room() noexcept {
  const Connection* longest = nullptr;
  Id id = 0;
  for (const auto& [each, connection] : connections_) {
    if (!connection->is_idle() || (longest && longest->last_progress() <= connection->last_progress())) continue;
    longest = connection.get();
    id = each;
  }
  drop(id);
  return longest != nullptr;
}

void ConnectionLoop::handle(Id id, short happened) noexcept {
  with(id, [&](Connection& connection) {
    if ((happened & (POLLERR | POLLNVAL)) != 0) return false;
    if ((connection.events() & POLLIN) != 0) return (happened & (POLLIN | POLLHUP)) == 0 || connection.receive();
    return (happened & POLLHUP) == 0;
  });
}

void ConnectionLoop::start_waiting() noexcept {
  while (running_ < most_running_ && !waiting_.empty()) {
    const Id id = waiting_.front();
    waiting_.pop_front();
    with(id, [&](Connection& connection) {
      try {
        connection.exchange->start([mail = mail_, id] { mail->tell_news(id); });
        ++running_;
        connection.state = State::kAnswering;
        if (connection.exchange->streams()) connection.begin_stream();
      } catch (const Error& error) {
        connection.refuse(ApiError(error));
      }
      hold(connection, 0);
      return true;
    });
  }
}

template <class Work>
void ConnectionLoop::with(Id id, const Work& work) noexcept {
  const auto found = connections_.find(id);
  if (found == connections_.end()) return;
  try {
    if (work(*found->second) && go_on(id, *found->second)) return;
  } catch (...) {  // no memory
  }
  drop(id);
}

// Whatever can be done without waiting. False: the connection is over.
bool ConnectionLoop::go_on(Id id, Connection& connection) {
  bool has_more = true;
  while (has_more) {
    if (connection.state == State::kAnswering) advance(connection);
    has_more = read_requests(id, connection);
    if (!connection.flush()) return false;
    has_more = has_more && connection.has_room();
  }
  // Who sends no more counts as gone and waits for no answer, but gets what there is.
  const bool has_answer = connection.state == State::kReading || connection.state == State::kLeaving;
  if (connection.client_is_done() && !(has_answer && connection.is_sending())) return false;
  if (has_stopped_ && connection.state == State::kLeaving && !connection.is_sending()) {
    connection.receive();  // what is unread when it is closed would break the connection before the answer is read
    return false;
  }
  return true;
}

// True: it ends because so much has to be sent first.
bool ConnectionLoop::read_requests(Id id, Connection& connection) {
  try {
    while (connection.state == State::kReading) {
      if (!connection.has_room()) return true;
      const HttpParser::Found found = connection.advance();
      if (found == HttpParser::Found::kHead) {
        admit(connection);
      } else if (found == HttpParser::Found::kRequest) {
        begin(id, connection);
      } else {
        hold(connection, connection.body_bytes());
        return false;
      }
    }
  } catch (...) {
    hold(connection, 0);
    connection.refuse(as_api_error(std::current_exception()));
  }
  return false;
}

// Refuses what its head shows to be wrong, before a body has come.
void ConnectionLoop::admit(Connection& connection) {
  try {
    connection.route = &routes_.admit(connection.request(), connection.of_answer);
    connection.invite_body();
  } catch (const ApiError& error) {
    if (connection.request().is_chunked || connection.request().content_length > 0) throw;
    connection.advance();
    connection.take_request();
    connection.refuse(error);
  }
}

void ConnectionLoop::begin(Id id, Connection& connection) {
  const Route* const route = connection.route;
  const auto request = std::make_shared<const HttpRequest>(connection.take_request());
  if (route->is_quick) {
    connection.respond(std::get<HttpResponse>(route->answer(*request)));
    return;
  }
  if (unprepared_ + waiting_.size() >= kMostWaiting) throw busy_error();
  hold(connection, request->body.size());
  mail_->expect_prepared();
  workers_.add([mail = mail_, id, route, request] {
    LoopMail::Prepared prepared;
    prepared.connection = id;
    try {
      prepared.outcome = route->answer(*request);
    } catch (...) {
      try {
        prepared.outcome = as_api_error(std::current_exception());
      } catch (...) {  // no memory for the message: the bare 500 remains
      }
    }
    mail->tell_prepared(std::move(prepared));
  });
  ++unprepared_;
  connection.state = State::kPreparing;
}

void ConnectionLoop::advance(Connection& connection) {
  Exchange& exchange = *connection.exchange;
  if (exchange.streams()) {
    if (!connection.has_room()) return;
    connection.stream(exchange.take_events(has_stopped_));
    if (!exchange.is_told()) return;
    connection.end_stream();
  } else {
    if (!exchange.has_ended()) return;
    try {
      connection.respond({200, {}, to_text(exchange.answer(has_stopped_))});
    } catch (...) {
      connection.refuse(as_api_error(std::current_exception()));
    }
  }
  --running_;
}

void ConnectionLoop::hold(Connection& connection, std::size_t bytes) {
  const bool grows = bytes > connection.held_bytes;
  held_bytes_ += bytes - connection.held_bytes;
  connection.held_bytes = bytes;
  if (grows && held_bytes_ / kMostBodiesHeld > max_body_bytes_) throw busy_error();
}

void ConnectionLoop::drop(Id id) noexcept {
  const auto gone = connections_.extract(id);
  if (gone.empty()) return;
  Connection& connection = *gone.mapped();
  held_bytes_ -= connection.held_bytes;
  if (connection.state == State::kWaiting) std::erase(waiting_, id);
  if (connection.state != State::kAnswering) return;
  connection.exchange->cancel();
  try {
    // The model may need a while to notice.
    if (!connection.exchange->has_ended()) {
      ending_.emplace(id, std::move(connection.exchange));
      return;
    }
  } catch (...) {  // no memory: its destructor waits
  }
  --running_;
}

}  // namespace rwkv::server
