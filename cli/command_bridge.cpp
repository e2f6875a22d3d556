// rwkv bridge: the protocol of docs/PROTOCOL.md on standard input and output, one JSON object a line.
#include <chrono>
#include <cstdio>
#include <future>
#include <memory>
#include <thread>

#include "bridge/callback_port.h"
#include "bridge/directory.h"
#include "options.h"
#include "protocol/codec.h"
#include "terminal.h"

namespace rwkv::cli {
namespace {

constexpr std::size_t kMaxLineBytes = protocol::kMaxMessageBytes + 1;

void write_line(const char* json, std::size_t length, void*) {
  std::fwrite(json, 1, length, stdout);
  std::fputc('\n', stdout);
  std::fflush(stdout);
  if (std::ferror(stdout)) interrupt().cancel();  // nobody hears the rest
}

struct BridgeCommand {
  protocol::PortOptions options;

  void run() const {
    const bridge::PortId port =
        bridge::open_port("cli", std::make_unique<bridge::CallbackPort>(write_line, nullptr), options);
    std::string line;
    while (read_line(line, kMaxLineBytes)) {
      if (!line.empty()) hand_over([&] { bridge::send(port, line); });
    }
    if (interrupt().cancelled()) {
      result_code() = kExitInterrupted;
    } else {
      finish(port);
    }
    bridge::close_port(port, true);
  }

  // Input may come faster than it is served: what is too much for the port waits here.
  template <class Function>
  static void hand_over(const Function& function) {
    while (!interrupt().cancelled()) {
      try {
        return static_cast<void>(function());
      } catch (const Error& error) {
        if (error.code() != ErrorCode::kBusy) throw;
      }
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
  }

  // Input that comes from a file or a pipe ends before its answers do.
  static void finish(bridge::PortId port) {
    auto idle = std::make_shared<std::promise<void>>();
    auto waiting = idle->get_future();
    hand_over([&] { bridge::when_idle(port, [idle] { idle->set_value(); }); });
    while (waiting.wait_for(std::chrono::milliseconds(20)) != std::future_status::ready) {
      if (!interrupt().cancelled()) continue;
      result_code() = kExitInterrupted;
      return;
    }
  }
};

}  // namespace

void add_bridge(CLI::App& app) {
  auto command = std::make_shared<BridgeCommand>();
  CLI::App* sub = app.add_subcommand(
      "bridge", "Speak the protocol on standard input and output, one JSON object a line; ends after the last answer");
  sub->add_flag("--push", command->options.push,
                "Push every generation (GenerationDelta, GenerationProgress, GenerationEnd)");
  sub->add_flag("--notify-end", command->options.notify_generation_end, "Send GenerateStop at a natural end too");
  sub->add_flag("--acknowledge", command->options.acknowledge,
                "Send RequestDone after the last answer to each request");
  sub->footer(
      "Example:\n  echo '{\"type\":\"LoadRWKVModel\",\"requestId\":1,\"modelPath\":\"MODEL\",\"backend\":\"llama.cpp\","
      "\"tokenizerPath\":\"\"}' | rwkv bridge\nAll messages: docs/PROTOCOL.md");
  sub->callback([command] { command->run(); });
}

}  // namespace rwkv::cli
