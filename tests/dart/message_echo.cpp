// message_echo requests|responses: reads messages, a JSON object a line, and writes each again as the codec understands
// it. test/messages_test.dart compares.
#include <iostream>
#include <string>
#include <string_view>

#include "protocol/codec.h"

int main(int argc, char** argv) {
  using namespace rwkv::protocol;
  const bool requests = argc > 1 && std::string_view(argv[1]) == "requests";
  std::ios::sync_with_stdio(false);
  for (std::string line; std::getline(std::cin, line);) {
    try {
      const Json json = parse_message(line);
      std::cout << to_text(requests ? encode(decode_request(json)) : encode(decode_response(json))) << '\n';
    } catch (const rwkv::Error& error) {
      std::cout << to_text(Json{{"error", error.what()}}) << '\n';
    }
    // The other side waits once nothing of its batch is left to read.
    if (std::cin.rdbuf()->in_avail() <= 0) std::cout.flush();
  }
}
