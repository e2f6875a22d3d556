// What the bridge costs: CPU time of a token event, polls of a long text that does not change, pushes against polling,
// and how long a Stop takes while four models are loaded. CPU times are the whole process's, without the generation
// itself where it says so.
//
//   bridge_bench [rounds]
#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <deque>
#include <filesystem>
#include <fstream>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "bridge/directory.h"
#include "common.h"
#include "protocol/codec.h"

namespace {

namespace p = rwkv::protocol;
using rwkv::bench::Clock;
using rwkv::bench::median;
using std::chrono::milliseconds;

constexpr int kEndless = 1 << 20;

double milliseconds_since(Clock::time_point start) { return rwkv::bench::seconds_since(start) * 1000; }

double cpu_microseconds() { return static_cast<double>(std::clock()) * 1e6 / CLOCKS_PER_SEC; }

double quantile(std::vector<double> values, double part) {
  std::sort(values.begin(), values.end());
  return values[std::min(values.size() - 1, static_cast<std::size_t>(part * static_cast<double>(values.size())))];
}

struct Inbox {
  std::mutex mutex;
  std::condition_variable came;
  std::deque<std::string> messages;
  std::string awaited;  // how the next message ends that wakes the client; empty: any does
};

class InboxPort final : public rwkv::bridge::Port {
 public:
  explicit InboxPort(Inbox& inbox) : inbox_(inbox) {}
  bool post(std::string message) override {
    const std::lock_guard lock(inbox_.mutex);
    const bool wakes = message.ends_with(inbox_.awaited);
    inbox_.messages.push_back(std::move(message));
    if (wakes) inbox_.came.notify_one();
    return true;
  }

 private:
  Inbox& inbox_;
};

// Has a runtime of its own, which is gone with it.
class Client {
 public:
  explicit Client(const p::PortOptions& options = {})
      : port_(rwkv::bridge::open_port("bench", std::make_unique<InboxPort>(inbox_), options)) {}
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;
  ~Client() { rwkv::bridge::close_port(port_, true); }

  std::int64_t send(const p::Request& request) {
    std::string text = p::to_text(p::encode(p::RequestMessage{++last_id_, request}));
    bytes_ += text.size();
    rwkv::bridge::send(port_, std::move(text));
    return last_id_;
  }
  /// The next message, not decoded.
  std::string next() {
    std::unique_lock lock(inbox_.mutex);
    inbox_.came.wait(lock, [this] { return !inbox_.messages.empty(); });
    std::string message = std::move(inbox_.messages.front());
    inbox_.messages.pop_front();
    bytes_ += message.size();
    ++messages_;
    return message;
  }
  /// Passes over messages up to one of the type T.
  template <class T>
  T wait() {
    const std::string type = "\"type\":\"" + std::string(T::kType) + "\"}";  // the last member
    while (true) {
      const std::string message = next();
      if (message.ends_with(type)) return std::get<T>(p::decode_response(p::parse_message(message)).body);
    }
  }
  /// Sleeps until a message of the type T comes: what the client's waking costs is not the bridge's.
  template <class T>
  void await_only() {
    const std::lock_guard lock(inbox_.mutex);
    inbox_.awaited = "\"type\":\"" + std::string(T::kType) + "\"}";
  }
  template <class T>
  T ask(const p::Request& request) {
    send(request);
    return wait<T>();
  }
  void load(const std::string& path, const std::string& backend) {
    for (auto steps = ask<p::LoadModelSteps>(p::LoadRWKVModel{path, {backend}, "", {}});
         steps.status != p::LoadingStatus::kLoaded; steps = wait<p::LoadModelSteps>()) {
      if (steps.status != p::LoadingStatus::kFailedInLoading) continue;
      std::fprintf(stderr, "%s\n", steps.info.value_or("").c_str());
      std::exit(1);
    }
  }
  std::size_t bytes() const { return bytes_; }  // both ways
  std::size_t messages() const { return messages_; }

 private:
  Inbox inbox_;
  rwkv::bridge::PortId port_;
  std::int64_t last_id_ = 0;
  std::size_t bytes_ = 0;
  std::size_t messages_ = 0;
};

class Scripts {
 public:
  Scripts()
      : folder_(std::filesystem::temp_directory_path() /
                ("rwkv-bridge-bench-" + std::to_string(Clock::now().time_since_epoch().count()))) {
    std::filesystem::create_directories(folder_);
  }
  Scripts(const Scripts&) = delete;
  Scripts& operator=(const Scripts&) = delete;
  ~Scripts() { std::filesystem::remove_all(folder_); }

  std::string write(const std::string& fields) {
    const auto path = folder_ / (std::to_string(++count_) + ".json");
    std::ofstream(path) << "{\"rwkv_script\": 1, " << fields << "}";
    return path.string();
  }
  /// A model that writes so many bytes, each a token.
  std::string reply(int bytes, int decode_us, int prefill_us = 0) {
    std::string say;
    while (static_cast<int>(say.size()) < bytes) say += "some words and ";
    say.resize(static_cast<std::size_t>(bytes), '.');
    return write("\"decode_us\": " + std::to_string(decode_us) + ", \"prefill_us\": " + std::to_string(prefill_us) +
                 ", \"replies\": [{\"say\": \"" + say + "\"}]");
  }

 private:
  std::filesystem::path folder_;
  int count_ = 0;
};

p::ChatAsync chat(bool push) {
  p::ChatAsync request;
  request.messages = {"Hi"};
  request.add_generation_prompt = true;
  request.max_length = kEndless;
  request.push = push;
  return request;
}

struct Direct {
  double cpu = 0;
  int tokens = 0;
};

// The same generation without a bridge.
Direct generate_directly(const std::string& script) {
  rwkv::ModelRequest request;
  request.model_path = script;
  request.backend = "scripted";
  const auto model = rwkv::LanguageModel::load(request);
  rwkv::GenerationOptions options;
  options.max_tokens = kEndless;
  const double before = cpu_microseconds();
  const auto messages = rwkv::alternate_roles(std::vector<std::string>{"Hi"});
  const auto result =
      model->generate(model->chat_prompt(rwkv::ChatFormat(), messages, true, false), options, {}, rwkv::CancelToken());
  return {cpu_microseconds() - before, static_cast<int>(result.tokens.size())};
}

void measure_token_events(Scripts& scripts, int rounds) {
  std::printf("\nCPU time of a token event: a pushed generation less the same generation without the bridge\n");
  struct Pace {
    const char* name;
    int tokens;
    int decode_us;
  };
  for (const Pace pace : {Pace{"111 tokens a second, a message each", 200, 9000},
                          Pace{"1,000 tokens a second", 2000, 1000}, Pace{"as fast as it goes", 10000, 0}}) {
    const std::string script = scripts.reply(pace.tokens, pace.decode_us);
    std::vector<double> costs;
    double messages = 0;
    for (int round = 0; round < rounds; ++round) {
      const Direct direct = generate_directly(script);
      Client client;
      client.load(script, "scripted");
      client.await_only<p::GenerationEnd>();
      const std::size_t messages_before = client.messages();
      const double before = cpu_microseconds();
      client.ask<p::GenerationEnd>(chat(true));
      costs.push_back((cpu_microseconds() - before - direct.cpu) / direct.tokens);
      messages = static_cast<double>(client.messages() - messages_before) / direct.tokens;
    }
    std::printf("  %-36s median %6.2f us, worst %6.2f us of %d rounds; %.2f messages a token\n", pace.name,
                median(costs), quantile(costs, 1), rounds, messages);
  }
}

void measure_polls(Scripts& scripts, int rounds) {
  constexpr int kPolls = 300;
  Client client;
  for (std::int32_t model = 0; model < 2; ++model) {
    client.load(scripts.reply(1, 0), "scripted");
    p::GenerateAsync fill;  // its prompt is the text
    fill.prompt = std::string(model == 0 ? 0 : 100 << 10, 'x');
    fill.max_length = 0;
    fill.model_id = model;
    client.send(fill);
    client.ask<p::EvaluationResults>(p::RunEvaluation{"a", "b", model});  // the worker has done it
  }
  const auto there = client.ask<p::ResponseBufferContent>(p::GetResponseBufferContent{1, 0, {}});
  struct Kind {
    const char* name;
    p::GetResponseBufferContent request;
    std::vector<double> costs;
    std::vector<double> ratios;
    double bytes = 0;
  };
  std::vector<Kind> kinds{{"empty text", {0, {}, {}}, {}, {}},
                          {"100 KiB, naming what is there", {1, there.length, there.generation_id}, {}, {}},
                          {"100 KiB, as in the old protocol", {1, {}, {}}, {}, {}}};
  for (int round = 0; round < rounds; ++round) {
    for (Kind& kind : kinds) {
      const std::size_t bytes_before = client.bytes();
      const double before = cpu_microseconds();
      for (int i = 0; i < kPolls; ++i) client.ask<p::ResponseBufferContent>(kind.request);
      kind.costs.push_back((cpu_microseconds() - before) / kPolls);
      kind.bytes = static_cast<double>(client.bytes() - bytes_before) / kPolls;
      kind.ratios.push_back(kind.costs.back() / kinds[0].costs.back());
    }
  }
  std::printf("\nA poll of a text that does not change: CPU time and bytes both ways, decoded by the client\n");
  for (const Kind& kind : kinds) {
    std::printf("  %-36s median %8.1f us %8.0f bytes; ratio to the empty text %.2f\n", kind.name, median(kind.costs),
                kind.bytes, median(kind.ratios));
  }
}

struct Traffic {
  double bytes = 0;
  double cpu = 0;
};

// What `follow` costs from the start of a generation to its end.
template <class Follow>
Traffic traffic(const std::string& script, double direct_cpu, bool push, const Follow& follow) {
  Client client;
  client.load(script, "scripted");
  const std::size_t bytes = client.bytes();
  const double before = cpu_microseconds();
  client.ask<p::GenerateStart>(chat(push));
  follow(client);
  return {static_cast<double>(client.bytes() - bytes), cpu_microseconds() - before - direct_cpu};
}

// As clients of the old protocol do: the text and the flag every 20 ms.
void poll(Client& client, bool naming) {
  p::GetResponseBufferContent request;
  std::string text;
  for (auto next = Clock::now();; next += milliseconds(20)) {
    std::this_thread::sleep_until(next);
    if (naming && !request.after) request.after = 0;
    auto content = client.ask<p::ResponseBufferContent>(request);
    if (content.after.value_or(0) == 0) text.clear();
    text += content.response_buffer_content;
    if (naming) {
      request.after = content.length;
      request.generation_id = content.generation_id;
    }
    if (!client.ask<p::IsGenerating>(p::GetIsGenerating{0}).is_generating) return;
  }
}

void listen(Client& client) {
  std::string text;
  for (bool more = true; more;) {
    const p::Response message = p::decode_response(p::parse_message(client.next())).body;
    if (const auto* delta = std::get_if<p::GenerationDelta>(&message)) text += delta->text;
    more = !std::holds_alternative<p::GenerationEnd>(message);
  }
}

void measure_traffic(Scripts& scripts, int rounds) {
  constexpr int kBytes = 16 << 10;
  const std::string script = scripts.reply(kBytes, 200);
  std::vector<double> bytes[3];
  std::vector<double> cpu[3];
  for (int round = 0; round < rounds; ++round) {
    const double direct = generate_directly(script).cpu;
    const Traffic kinds[3] = {traffic(script, direct, true, listen),
                              traffic(script, direct, false, [](Client& c) { poll(c, false); }),
                              traffic(script, direct, false, [](Client& c) { poll(c, true); })};
    for (std::size_t i = 0; i < 3; ++i) {
      bytes[i].push_back(kinds[i].bytes);
      cpu[i].push_back(kinds[i].cpu);
    }
  }
  std::printf("\nFollowing an answer of %d KiB: bytes both ways, and CPU time less the generation itself\n",
              kBytes >> 10);
  const char* names[3] = {"pushed deltas", "polls every 20 ms, whole text", "polls every 20 ms, naming"};
  for (std::size_t i = 0; i < 3; ++i) {
    std::printf("  %-36s median %9.0f bytes %9.0f us; ratio to pushes: bytes %.2f, CPU %.2f\n", names[i],
                median(bytes[i]), median(cpu[i]), median(bytes[i]) / median(bytes[0]), median(cpu[i]) / median(cpu[0]));
  }
}

// Four models, of which the others write all the time if `busy`.
class Stops {
 public:
  Stops(const std::string& path, const std::string& backend, std::string to_load, std::string long_prompt, bool busy)
      : client_({true, false, false, true}),
        backend_(backend),
        to_load_(std::move(to_load)),
        long_prompt_(std::move(long_prompt)),
        busy_(busy) {
    for (std::int32_t model = 0; model < kModels; ++model) {
      client_.load(path, backend);
      client_.send(p::SetTokenBanned{{0}, model});
    }
  }

  void measure(const char* name, int rounds) {
    for (int round = 0; round < rounds; ++round) {
      const std::int32_t model = round % kModels;
      for (std::int32_t other = 0; busy_ && other < kModels; ++other) {
        if (other != model) client_.send(endless(other, "Q:"));
      }
      stop_run(model, long_prompt_, milliseconds(5), prefill_);
      stop_run(model, "Q:", milliseconds(30), decode_);
      stop_load();
    }
    std::printf("  %s, the others %s\n", name, busy_ ? "writing" : "idle");
    print("load", load_);
    print("prefill", prefill_);
    print("decode", decode_);
  }

 private:
  static constexpr std::int32_t kModels = 4;

  static p::GenerateAsync endless(std::int32_t model, std::string prompt) {
    p::GenerateAsync request;
    request.prompt = std::move(prompt);
    request.model_id = model;
    request.max_length = kEndless;
    return request;
  }

  static void print(const char* phase, const std::vector<double>& times) {
    if (times.empty()) {
      std::printf("    %-8s not caught\n", phase);
    } else {
      std::printf("    %-8s p50 %6.2f ms, p99 %6.2f ms, longest %6.2f ms of %zu\n", phase, median(times),
                  quantile(times, 0.99), quantile(times, 1), times.size());
    }
  }

  // Counts where the Stop found the run in the phase that is asked for: prefill has no new tokens, decode has.
  void stop_run(std::int32_t model, const std::string& prompt, milliseconds lead, std::vector<double>& times) {
    client_.send(p::Stop{model});
    client_.send(p::ClearStates{model});
    client_.send(endless(model, prompt));
    std::this_thread::sleep_for(lead);
    const auto before = Clock::now();
    const std::int64_t stop = client_.send(p::Stop{model});
    bool answered = false;
    std::optional<std::int64_t> tokens;
    while (true) {
      const auto message = p::decode_response(p::parse_message(client_.next()));
      if (const auto* end = std::get_if<p::GenerationEnd>(&message.body); end && end->model_id == model) {
        tokens = end->generated_tokens;
      }
      if (message.request_id != stop) continue;
      if (std::holds_alternative<p::RequestDone>(message.body)) break;
      answered = answered || std::holds_alternative<p::GenerateStop>(message.body);
    }
    const double time = milliseconds_since(before);
    if (answered && tokens && (*tokens == 0) == (&times == &prefill_)) times.push_back(time);
  }

  void stop_load() {
    client_.send(p::LoadRWKVModel{to_load_, {backend_}, "", {}});
    client_.wait<p::LoadModelSteps>();
    const auto before = Clock::now();
    client_.send(p::Stop{kModels});
    p::LoadModelSteps steps;
    do {
      steps = client_.wait<p::LoadModelSteps>();
    } while (steps.status == p::LoadingStatus::kLoading);
    const double time = milliseconds_since(before);
    if (steps.status == p::LoadingStatus::kFailedInLoading) {
      load_.push_back(time);
      return;
    }
    client_.send(p::ReleaseRWKVModel{kModels});
    while (client_.wait<p::LoadModelSteps>().status != p::LoadingStatus::kReleased) {
    }
  }

  Client client_;
  const std::string backend_;
  const std::string to_load_;
  const std::string long_prompt_;
  const bool busy_;
  std::vector<double> load_;
  std::vector<double> prefill_;
  std::vector<double> decode_;
};

void measure_stops(Scripts& scripts, int rounds) {
  std::printf("\nFrom a Stop to its GenerateStop (load: to the end of the load), four models loaded\n");
  const std::string script = scripts.reply(20000, 2000, 1000);
  const std::string slow_load = scripts.write("\"load_ms\": 10000");
  const std::string model = RWKV_SOURCE_DIR "/models/tiny/rwkv7-tiny.gguf";
  std::string text;
  while (text.size() < 100000) text += "What is the capital of Peru? ";
  for (const bool busy : {false, true}) {
    Stops(script, "scripted", slow_load, std::string(3000, 'x'), busy).measure("scripted", rounds);
    Stops(model, "llama.cpp", model, text, busy).measure("llama.cpp, the shipped model", rounds);
  }
}

}  // namespace

int main(int argc, char** argv) {
  rwkv::bench::end_with_usage(argc, argv, 0, "[rounds]");
  const int rounds = argc > 1 ? std::max(std::atoi(argv[1]), 1) : 10;
  Scripts scripts;
  measure_token_events(scripts, rounds);
  measure_polls(scripts, rounds);
  measure_traffic(scripts, rounds);
  measure_stops(scripts, rounds * 10);
  return 0;
}
