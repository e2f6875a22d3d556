#include "server/sockets.h"

#ifdef _WIN32
#include <ws2tcpip.h>
#else
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>
#endif

#include <cerrno>
#include <memory>

#include "base/error.h"

namespace rwkv::server {
namespace {

constexpr int kBacklog = 512;  // bursts of clients

#ifdef _WIN32

void start_sockets() {
  struct Library {
    Library() {
      WSADATA data;
      WSAStartup(MAKEWORD(2, 2), &data);
    }
    ~Library() { WSACleanup(); }
  };
  static const Library library;
}

int last_error() noexcept { return WSAGetLastError(); }
bool would_wait(int error) noexcept { return error == WSAEWOULDBLOCK || error == WSAEINTR; }
bool is_exhausted(int error) noexcept { return error == WSAEMFILE || error == WSAENOBUFS; }
void close_handle(SocketHandle handle) noexcept { closesocket(handle); }
bool make_ready(SocketHandle handle) noexcept {
  u_long on = 1;
  SetHandleInformation(reinterpret_cast<HANDLE>(handle), HANDLE_FLAG_INHERIT, 0);
  return ioctlsocket(handle, FIONBIO, &on) == 0;
}
int chunk_of(std::size_t size) noexcept { return static_cast<int>(size < (1u << 20) ? size : 1u << 20); }
constexpr int kSendFlags = 0;
constexpr int kStopSending = SD_SEND;

#else

void start_sockets() {}
int last_error() noexcept { return errno; }
bool would_wait(int error) noexcept { return error == EAGAIN || error == EWOULDBLOCK || error == EINTR; }
bool is_exhausted(int error) noexcept {
  return error == EMFILE || error == ENFILE || error == ENOBUFS || error == ENOMEM;
}
void close_handle(SocketHandle handle) noexcept { ::close(handle); }
// Does not wait, and is not for the programs that this process starts.
bool make_ready(SocketHandle handle) noexcept {
  fcntl(handle, F_SETFD, FD_CLOEXEC);
  return fcntl(handle, F_SETFL, fcntl(handle, F_GETFL) | O_NONBLOCK) == 0;
}
std::size_t chunk_of(std::size_t size) noexcept { return size; }
#ifdef MSG_NOSIGNAL
constexpr int kSendFlags = MSG_NOSIGNAL;
#else
constexpr int kSendFlags = 0;
#endif
constexpr int kStopSending = SHUT_WR;

#endif

void switch_on(SocketHandle handle, int level, int option, int value = 1) noexcept {
  setsockopt(handle, level, option, reinterpret_cast<const char*>(&value), sizeof value);
}

sockaddr_storage address_of(const Socket& socket) noexcept {
  sockaddr_storage address{};
  socklen_t size = sizeof address;
  getsockname(socket.handle(), reinterpret_cast<sockaddr*>(&address), &size);
  return address;
}

}  // namespace

long Socket::read(char* buffer, std::size_t size) const noexcept {
  const auto count = recv(handle_, buffer, chunk_of(size), 0);
  if (count >= 0) return static_cast<long>(count);
  return would_wait(last_error()) ? kWouldWait : kBroken;
}

long Socket::write(const char* bytes, std::size_t size) const noexcept {
  const auto count = send(handle_, bytes, chunk_of(size), kSendFlags);
  if (count >= 0) return static_cast<long>(count);
  return would_wait(last_error()) ? kWouldWait : kBroken;
}

void Socket::finish_writing() const noexcept { shutdown(handle_, kStopSending); }

void Socket::close() noexcept {
  if (is_open()) close_handle(std::exchange(handle_, kNoSocket));
}

Socket listen_on(const std::string& host, int port) {
  start_sockets();
  addrinfo hints{};
  hints.ai_family = AF_UNSPEC;
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_PASSIVE;
  addrinfo* found = nullptr;
  const int unknown = getaddrinfo(host.empty() ? nullptr : host.c_str(), std::to_string(port).c_str(), &hints, &found);
  const std::unique_ptr<addrinfo, void (*)(addrinfo*)> addresses(unknown ? nullptr : found, [](addrinfo* first) {
    if (first) freeaddrinfo(first);
  });
  for (const addrinfo* address = addresses.get(); address; address = address->ai_next) {
    Socket socket(::socket(address->ai_family, address->ai_socktype, address->ai_protocol));
    if (!socket.is_open() || !make_ready(socket.handle())) continue;
#ifdef _WIN32
    switch_on(socket.handle(), SOL_SOCKET, SO_EXCLUSIVEADDRUSE);
#else
    // A port whose last connections are dying may be taken; one that is listened on may not.
    switch_on(socket.handle(), SOL_SOCKET, SO_REUSEADDR);
#endif
    if (address->ai_family == AF_INET6) switch_on(socket.handle(), IPPROTO_IPV6, IPV6_V6ONLY, 0);
    if (bind(socket.handle(), address->ai_addr, static_cast<socklen_t>(address->ai_addrlen)) == 0 &&
        listen(socket.handle(), kBacklog) == 0) {
      return socket;
    }
  }
  throw Error(ErrorCode::kIo, "cannot listen on " + host + ":" + std::to_string(port) +
                                  "; the port is taken, or this machine has no such address");
}

int port_of(const Socket& listener) noexcept {
  const sockaddr_storage address = address_of(listener);
  return ntohs(address.ss_family == AF_INET6 ? reinterpret_cast<const sockaddr_in6*>(&address)->sin6_port
                                             : reinterpret_cast<const sockaddr_in*>(&address)->sin_port);
}

bool is_loopback(const Socket& listener) noexcept {
  const sockaddr_storage address = address_of(listener);
  if (address.ss_family == AF_INET6) {
    return IN6_IS_ADDR_LOOPBACK(&reinterpret_cast<const sockaddr_in6*>(&address)->sin6_addr) != 0;
  }
  return ntohl(reinterpret_cast<const sockaddr_in*>(&address)->sin_addr.s_addr) >> 24 == 127;
}

Accepted accept_from(const Socket& listener) noexcept {
  Accepted accepted;
#if defined(__linux__)
  Socket socket(accept4(listener.handle(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
#else
  Socket socket(accept(listener.handle(), nullptr, nullptr));
#endif
  if (!socket.is_open()) {
    accepted.has_failed = is_exhausted(last_error());
    return accepted;
  }
#if !defined(__linux__)
  if (!make_ready(socket.handle())) return accepted;
#endif
#ifdef SO_NOSIGPIPE
  switch_on(socket.handle(), SOL_SOCKET, SO_NOSIGPIPE);
#endif
  switch_on(socket.handle(), IPPROTO_TCP, TCP_NODELAY);  // a piece of a stream goes out at once
  accepted.socket = std::move(socket);
  return accepted;
}

#ifdef _WIN32

void wait_for(std::vector<pollfd>& sockets, int milliseconds) noexcept {
  if (WSAPoll(sockets.data(), static_cast<ULONG>(sockets.size()), milliseconds) >= 0) return;
  for (pollfd& each : sockets) each.revents = 0;
}

// A socket that sends to itself.
Waker::Waker() {
  start_sockets();
  Socket socket(::socket(AF_INET, SOCK_DGRAM, IPPROTO_UDP));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  int size = sizeof address;
  auto* const pointer = reinterpret_cast<sockaddr*>(&address);
  if (!socket.is_open() || !make_ready(socket.handle()) || bind(socket.handle(), pointer, size) != 0 ||
      getsockname(socket.handle(), pointer, &size) != 0 || connect(socket.handle(), pointer, size) != 0) {
    throw Error(ErrorCode::kIo, "this process has no sockets left");
  }
  reader_ = writer_ = socket.release();
}

Waker::~Waker() { close_handle(reader_); }

void Waker::wake() noexcept { send(writer_, "", 1, 0); }

void Waker::clear() noexcept {
  char buffer[64];
  while (recv(reader_, buffer, sizeof buffer, 0) > 0) {
  }
}

#else

void wait_for(std::vector<pollfd>& sockets, int milliseconds) noexcept {
  if (poll(sockets.data(), static_cast<nfds_t>(sockets.size()), milliseconds) >= 0) return;
  for (pollfd& each : sockets) each.revents = 0;
}

Waker::Waker() {
  int ends[2];
  if (pipe(ends) != 0) throw Error(ErrorCode::kIo, "this process has no file descriptors left");
  reader_ = ends[0];
  writer_ = ends[1];
  for (const int end : ends) make_ready(end);
}

Waker::~Waker() {
  close_handle(reader_);
  close_handle(writer_);
}

void Waker::wake() noexcept {
  const char byte = 0;
  while (::write(writer_, &byte, 1) < 0 && errno == EINTR) {
  }
}

void Waker::clear() noexcept {
  char buffer[64];
  while (::read(reader_, buffer, sizeof buffer) > 0) {
  }
}

#endif

}  // namespace rwkv::server
