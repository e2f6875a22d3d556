// TCP sockets that never wait, on every system.
#pragma once

#ifdef _WIN32
#include <winsock2.h>
#else
#include <poll.h>
#endif

#include <cstddef>
#include <string>
#include <utility>
#include <vector>

namespace rwkv::server {

#ifdef _WIN32
using SocketHandle = SOCKET;
constexpr SocketHandle kNoSocket = INVALID_SOCKET;
#else
using SocketHandle = int;
constexpr SocketHandle kNoSocket = -1;
#endif

/// What read() and write() give besides a number of bytes.
constexpr long kWouldWait = -1;
constexpr long kBroken = -2;

/// Owns it.
class Socket {
 public:
  Socket() = default;
  explicit Socket(SocketHandle handle) noexcept : handle_(handle) {}
  Socket(Socket&& from) noexcept : handle_(std::exchange(from.handle_, kNoSocket)) {}
  Socket& operator=(Socket&& from) noexcept {
    std::swap(handle_, from.handle_);
    return *this;
  }
  ~Socket() { close(); }

  bool is_open() const noexcept { return handle_ != kNoSocket; }
  SocketHandle handle() const noexcept { return handle_; }
  /// Owned by the caller from now on.
  SocketHandle release() noexcept { return std::exchange(handle_, kNoSocket); }

  /// 0: the other side sends no more.
  long read(char* buffer, std::size_t size) const noexcept;
  /// Never raises a signal.
  long write(const char* bytes, std::size_t size) const noexcept;
  /// Tells the other side that nothing more comes.
  void finish_writing() const noexcept;
  void close() noexcept;

 private:
  SocketHandle handle_ = kNoSocket;
};

/// Port 0: any free one. Throws Error(kIo).
Socket listen_on(const std::string& host, int port);
/// On which it listens.
int port_of(const Socket& listener) noexcept;
/// Whether only this machine reaches it.
bool is_loopback(const Socket& listener) noexcept;

struct Accepted {
  Socket socket;            // not open: nobody waits any more
  bool has_failed = false;  // this system or process has no sockets or memory left
};
Accepted accept_from(const Socket& listener) noexcept;

/// Waits until one of them is ready, and at most so long.
void wait_for(std::vector<pollfd>& sockets, int milliseconds) noexcept;

/// Ends a wait_for() from another thread.
class Waker {
 public:
  /// Throws Error(kIo).
  Waker();
  Waker(const Waker&) = delete;
  Waker& operator=(const Waker&) = delete;
  ~Waker();

  void wake() noexcept;
  /// Readable from wake() to clear().
  SocketHandle handle() const noexcept { return reader_; }
  void clear() noexcept;

 private:
  SocketHandle reader_ = kNoSocket;
  SocketHandle writer_ = kNoSocket;  // on Windows the same
};

}  // namespace rwkv::server
