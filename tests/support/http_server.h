// A small HTTP server whose answers a test writes byte by byte, so that they can be wrong.
#pragma once

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <cstdint>
#include <functional>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

namespace rwkv::test {

class HttpServer {
 public:
  class Connection {
   public:
    Connection(int descriptor, const std::atomic<bool>& stopped) : descriptor_(descriptor), stopped_(stopped) {}
    void send(std::string_view bytes) {
      while (!bytes.empty()) {
        const ssize_t sent = ::send(descriptor_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
        if (sent <= 0) return;
        bytes.remove_prefix(static_cast<std::size_t>(sent));
      }
    }
    /// Sends nothing more until the client or the test gives up.
    void stall() {
      char byte;
      while (!stopped_ && recv(descriptor_, &byte, 1, MSG_DONTWAIT) != 0) usleep(5000);
    }

   private:
    int descriptor_;
    const std::atomic<bool>& stopped_;
  };
  /// `request` is all of its head. The connection closes when the answer returns.
  using Answer = std::function<void(const std::string& request, Connection&)>;

  explicit HttpServer(Answer answer) : answer_(std::move(answer)), listener_(socket(AF_INET, SOCK_STREAM, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t length = sizeof address;
    if (bind(listener_, reinterpret_cast<sockaddr*>(&address), length) != 0 || listen(listener_, 16) != 0) std::abort();
    getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &length);
    port_ = ntohs(address.sin_port);
    thread_ = std::thread([this] { serve(); });
  }
  HttpServer(const HttpServer&) = delete;
  HttpServer& operator=(const HttpServer&) = delete;
  ~HttpServer() {
    stopped_ = true;
    shutdown(listener_, SHUT_RDWR);
    thread_.join();
    close(listener_);
  }

  std::string url(const std::string& path) const { return "http://127.0.0.1:" + std::to_string(port_) + path; }
  std::vector<std::string> requests() const {
    const std::lock_guard lock(mutex_);
    return requests_;
  }

 private:
  void serve() {
    while (!stopped_) {
      const int descriptor = accept(listener_, nullptr, nullptr);
      if (descriptor < 0) continue;
      std::string request;
      char byte;
      while (!request.ends_with("\r\n\r\n") && recv(descriptor, &byte, 1, 0) == 1) request += byte;
      {
        const std::lock_guard lock(mutex_);
        requests_.push_back(request);
      }
      Connection connection(descriptor, stopped_);
      answer_(request, connection);
      shutdown(descriptor, SHUT_WR);
      close(descriptor);
    }
  }

  const Answer answer_;
  const int listener_;
  std::uint16_t port_ = 0;
  std::atomic<bool> stopped_{false};
  mutable std::mutex mutex_;
  std::vector<std::string> requests_;
  std::thread thread_;
};

}  // namespace rwkv::test
