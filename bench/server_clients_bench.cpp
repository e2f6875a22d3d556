// How much more a server writes for several clients than for one: completions of a fixed length over HTTP, all clients
// of a round at once, rounds of 1, 4 and 16 in turn. Prints tokens per second of all together and the median of their
// ratios to the single client of the same round.
//
//   server_clients_bench MODEL [tokens an answer] [rounds]
#include <httplib.h>

#include <cstdio>
#include <cstdlib>
#include <nlohmann/json.hpp>
#include <thread>
#include <vector>

#include "common.h"
#include "server/http_server.h"

namespace {

using rwkv::bench::Clock;
using rwkv::bench::median;
using rwkv::bench::seconds_since;

constexpr int kClients[] = {1, 4, 16};

// Tokens per second over all clients; 0 when a request failed.
double run(int port, int clients, int tokens) {
  std::vector<int> written(static_cast<std::size_t>(clients));
  std::vector<std::thread> threads;
  const Clock::time_point start = Clock::now();
  for (int i = 0; i < clients; ++i) {
    threads.emplace_back([&, i] {
      httplib::Client client("127.0.0.1", port);
      client.set_read_timeout(600);
      const nlohmann::json body{{"prompt", "User: Tell me about number " + std::to_string(i)},
                                {"max_tokens", tokens},
                                {"stop_code", 0x7fffffff}};  // nothing ends it but its length
      const auto result = client.Post("/v1/completions", body.dump(), "application/json");
      if (!result || result->status != 200) return;
      written[static_cast<std::size_t>(i)] = nlohmann::json::parse(result->body)["usage"]["completion_tokens"];
    });
  }
  for (std::thread& thread : threads) thread.join();
  const double seconds = seconds_since(start);
  int all = 0;
  for (const int count : written) {
    if (count != tokens) return 0;
    all += count;
  }
  return all / seconds;
}

}  // namespace

int main(int argc, char** argv) {
  rwkv::bench::end_with_usage(argc, argv, 1, "MODEL [tokens an answer] [rounds]");
  const int tokens = argc > 2 ? std::atoi(argv[2]) : 128;
  const int rounds = argc > 3 ? std::atoi(argv[3]) : 5;
  if (tokens < 1 || rounds < 1) {
    std::fprintf(stderr, "tokens and rounds are 1 or more\n");
    return 2;
  }
  try {
    const auto model = rwkv::bench::load_model(argv[1], 0, kClients[2]);
    rwkv::server::ServedModel served;
    served.name = "model";
    served.model = model.get();
    rwkv::server::ServerOptions options;
    options.port = 0;
    const rwkv::server::HttpServer server({served}, options);

    run(server.port(), 16, 8);  // makes the sequences
    std::vector<double> speeds[std::size(kClients)];
    std::vector<double> ratios[std::size(kClients)];
    for (int round = 0; round < rounds; ++round) {
      for (std::size_t i = 0; i < std::size(kClients); ++i) {
        const double speed = run(server.port(), kClients[i], tokens);
        if (speed == 0) {
          std::fprintf(stderr, "a request failed\n");
          return 1;
        }
        speeds[i].push_back(speed);
        ratios[i].push_back(speed / speeds[0].back());
      }
    }
    for (std::size_t i = 0; i < std::size(kClients); ++i) {
      std::printf("%2d clients: %8.1f tokens/s together, ratio to one: %.2f\n", kClients[i], median(speeds[i]),
                  median(ratios[i]));
    }
    return 0;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
  }
}
