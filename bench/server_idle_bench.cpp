// What many clients cost a server: idle keep-alive connections and streams, and somebody who asks for /health
// meanwhile. Prints how long /health takes (median and worst), the threads of the process and the resident memory of a
// connection, beside the same server without them.
//
//   server_idle_bench MODEL [idle connections] [streams] [requests]
#include <httplib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "common.h"
#include "server/http_server.h"
#include "support/connect.h"

namespace {

using rwkv::bench::Clock;
using rwkv::bench::median;
using rwkv::bench::seconds_since;

class RawClient {
 public:
  RawClient(int port, const std::string& request) : socket_(rwkv::test::connect_to(port)) {
    if (::send(socket_, request.data(), request.size(), MSG_NOSIGNAL) != static_cast<long>(request.size())) {
      throw std::runtime_error("cannot send");
    }
  }
  RawClient(RawClient&& other) noexcept : socket_(std::exchange(other.socket_, -1)) {}
  ~RawClient() {
    if (socket_ >= 0) ::close(socket_);
  }

  // False: the other side has closed.
  bool read() {
    char buffer[65536];
    return recv(socket_, buffer, sizeof buffer, 0) > 0;
  }

 private:
  int socket_;
};

std::size_t resident_bytes() {
  std::size_t all = 0;
  std::size_t resident = 0;
  std::ifstream("/proc/self/statm") >> all >> resident;
  return resident * static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
}

std::size_t threads() {
  return static_cast<std::size_t>(std::distance(std::filesystem::directory_iterator("/proc/self/task"), {}));
}

void print_health(const char* when, int port, int requests) {
  std::vector<double> ms;
  for (int i = 0; i < requests; ++i) {
    httplib::Client client("127.0.0.1", port);  // a new connection each time
    const Clock::time_point start = Clock::now();
    const auto result = client.Get("/health");
    if (!result || result->status != 200) throw std::runtime_error("/health was not answered");
    ms.push_back(1000 * seconds_since(start));
  }
  std::printf("%-28s /health median %6.2f ms, worst of %d %6.2f ms\n", when, median(ms), requests,
              *std::max_element(ms.begin(), ms.end()));
}

}  // namespace

int main(int argc, char** argv) {
  rwkv::bench::end_with_usage(argc, argv, 1, "MODEL [idle connections] [streams] [requests]");
  const int idle_count = argc > 2 ? std::atoi(argv[2]) : 1000;
  const int stream_count = argc > 3 ? std::atoi(argv[3]) : 64;
  const int requests = argc > 4 ? std::atoi(argv[4]) : 100;
  if (idle_count < 1 || stream_count < 1 || requests < 1) {
    std::fprintf(stderr, "connections, streams and requests are 1 or more\n");
    return 2;
  }
  try {
    rlimit files{};
    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;  // each connection has its two ends here
    setrlimit(RLIMIT_NOFILE, &files);

    const auto model = rwkv::bench::load_model(argv[1], 0, 16);
    rwkv::server::ServedModel served;
    served.name = "model";
    served.model = model.get();
    rwkv::server::ServerOptions options;
    options.port = 0;
    rwkv::server::HttpServer server({served}, options);
    print_health("alone:", server.port(), requests);

    const std::string get = "GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n";
    std::vector<RawClient> idle;
    idle.reserve(static_cast<std::size_t>(idle_count));
    const std::size_t threads_before = threads();
    const std::size_t bytes_before = resident_bytes();
    for (int i = 0; i < idle_count; ++i) {
      idle.emplace_back(server.port(), get);
      if (!idle.back().read()) throw std::runtime_error("a connection was closed");
    }
    std::printf("%d idle connections: %+zd threads, %.0f bytes resident a connection (without the kernel's share)\n",
                idle_count, static_cast<std::ptrdiff_t>(threads() - threads_before),
                (static_cast<double>(resident_bytes()) - static_cast<double>(bytes_before)) / idle_count);
    print_health("beside idle ones:", server.port(), requests);

    const std::string body =
        R"({"prompt": "User: Hi", "max_tokens": 1000000, "stop_code": 2147483647, "stream": true})";
    const std::string post =
        "POST /v1/completions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        "Content-Length: " +
        std::to_string(body.size()) + "\r\n\r\n" + body;
    std::vector<RawClient> streams;
    streams.reserve(static_cast<std::size_t>(stream_count));
    std::vector<std::thread> readers;
    const std::size_t threads_of_server = threads();
    for (int i = 0; i < stream_count; ++i) streams.emplace_back(server.port(), post);
    const std::size_t threads_of_streams = threads();
    for (RawClient& stream : streams) {
      readers.emplace_back([&stream] {
        while (stream.read()) {
        }
      });
    }
    std::this_thread::sleep_for(std::chrono::seconds(1));
    std::printf("%d streams: %+zd threads of the server\n", stream_count,
                static_cast<std::ptrdiff_t>(threads_of_streams - threads_of_server));
    print_health("beside idle ones and streams:", server.port(), requests);
    server.stop();
    for (std::thread& reader : readers) reader.join();
    return 0;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
  }
}
