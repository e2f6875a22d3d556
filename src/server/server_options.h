// How a server listens and whom it serves.
#pragma once

#include <chrono>
#include <cstddef>
#include <string>
#include <vector>

namespace rwkv::server {

struct ServerOptions {
  /// A name or an address of this machine. Other machines reach what is not a loopback address.
  std::string host = "127.0.0.1";
  int port = 8000;  // 0: any free one
  /// What requests must bring as `Authorization: Bearer KEY` (but GET /health). Empty: nothing.
  std::string api_key;
  /// The origins of web pages that may use the server, for example "https://example.org", or "*". Requests from others
  /// are refused, since any page that somebody visits could send them. Empty: none may.
  std::vector<std::string> web_origins;
  /// Further names by which clients may reach a server on a loopback address. Requests for other names are refused,
  /// since any page somebody visits could let its own name lead to this machine. Always allowed are loopback addresses,
  /// `localhost` and what ends in `.localhost`, `host`, and names without a dot, which no page of the internet has.
  /// "*": any. On other addresses names are checked (and plain addresses allowed) only if some are given.
  std::vector<std::string> allowed_hosts;
  /// Requests for a model that is not known get the first one. (Clients of the existing engine name any.)
  bool any_model_name = false;
  std::size_t max_body_bytes = std::size_t{8} << 20;
  /// Requests that generate at once; some hundred more wait for their turn. (Connections cost no thread.)
  int max_connections = 64;
  /// How long a request may take to come whole (and what its bytes take at 32 KiB a second besides), and how long a
  /// client may read nothing of what it is sent.
  std::chrono::milliseconds patience{30000};
};

}  // namespace rwkv::server
