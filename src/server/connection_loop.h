// Serves all connections of a server on one thread.
#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <memory>
#include <unordered_map>
#include <vector>

#include "server/connection.h"
#include "server/loop_mail.h"
#include "server/routes.h"
#include "server/work_queue.h"

namespace rwkv::server {

/// A connection costs memory alone, no thread, so nobody waits because others are idle, slow or many. What takes a
/// while is done elsewhere: bodies are read by two threads, answers are written by the models' threads, and both say so
/// by mail. Everything else, refusals among it, is answered here at once.
class ConnectionLoop {
 public:
  ConnectionLoop(Socket listener, const Routes& routes, const ServerOptions& options);

  /// Serves until stop(), then until the last answer has gone out.
  void run() noexcept;
  /// May be called from any thread.
  void stop() noexcept;

 private:
  using Id = std::uint64_t;
  using Clock = Connection::Clock;

  bool turn();
  void begin_to_stop();
  void wait();
  Clock::time_point deadline_of(const Connection& connection) const noexcept;
  void expire(Id id) noexcept;
  void take_mail();
  void take_prepared(LoopMail::Prepared& prepared) noexcept;
  void take_news(Id id) noexcept;
  void accept_all();
  bool make_room() noexcept;
  void handle(Id id, short happened) noexcept;
  void start_waiting() noexcept;

  // Does it with a connection and whatever follows. The connection may be gone afterwards.
  template <class Work>
  void with(Id id, const Work& work) noexcept;
  bool go_on(Id id, Connection& connection);
  bool read_requests(Id id, Connection& connection);
  void admit(Connection& connection);
  void begin(Id id, Connection& connection);
  void advance(Connection& connection);
  void hold(Connection& connection, std::size_t bytes);
  void drop(Id id) noexcept;

  const Routes& routes_;
  const std::size_t max_body_bytes_;
  const std::chrono::milliseconds patience_;
  const std::size_t most_running_;
  const std::shared_ptr<LoopMail> mail_ = std::make_shared<LoopMail>();
  std::atomic<bool> stopping_{false};

  Socket listener_;
  std::unordered_map<Id, std::unique_ptr<Connection>> connections_;
  std::unordered_map<Id, std::unique_ptr<Exchange>> ending_;  // of clients that have gone
  std::deque<Id> waiting_;
  Id last_id_ = 0;
  std::size_t running_ = 0;     // exchanges that have been started and not been let go
  std::size_t unprepared_ = 0;  // requests with the two threads
  std::size_t held_bytes_ = 0;
  bool has_stopped_ = false;
  Clock::time_point stopped_at_;
  Clock::time_point accepts_from_;
  std::vector<pollfd> polled_;
  std::vector<Id> polled_ids_;  // of those that follow the mail and the listener
  std::vector<Id> expired_;
  WorkQueue workers_{2};  // gone before anything that its work uses
};

}  // namespace rwkv::server
