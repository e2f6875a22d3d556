// From the start of a process to the logits of its first token, and the most memory it had: our own engine against
// llama.cpp's own loop, each time in a process of its own, in turn, with the file in the system's cache.
//
//   start_bench MODEL [threads] [rounds]
#include <llama.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include "common.h"
#include "engine/backend.h"

namespace {

using rwkv::bench::Clock;
using rwkv::bench::median;
using rwkv::bench::seconds_since;

constexpr int kToken = 300;

void run_ours(const char* path, int threads) {
  const rwkv::ModelSource source(path);
  rwkv::LoadOptions options;
  options.threads = threads;
  const auto model = rwkv::backend_by_name("native").load(source, options);
  const auto sequence = model->create_sequence();
  const std::array<rwkv::TokenId, 1> tokens{kToken};
  rwkv::EvalItem item{.sequence = sequence.get(), .tokens = tokens};
  model->evaluate(std::span(&item, 1), {});
  if (item.output.empty()) std::abort();
}

void run_peer(const char* path, int threads) {
  llama_log_set([](ggml_log_level, const char*, void*) {}, nullptr);
  llama_model* model = llama_model_load_from_file(path, llama_model_default_params());
  llama_context_params params = llama_context_default_params();
  params.n_threads = threads;
  params.n_threads_batch = threads;
  params.n_ctx = 512;
  llama_context* context = llama_init_from_model(model, params);
  if (context == nullptr) std::abort();
  std::array<llama_token, 1> tokens{kToken};
  if (llama_decode(context, llama_batch_get_one(tokens.data(), 1)) != 0) std::abort();
  if (llama_get_logits_ith(context, 0) == nullptr) std::abort();
}

struct Start {
  std::vector<double> seconds, processor_seconds, megabytes;
};

void measure(Start& start, const char* self, const char* who, const char* path, const char* threads) {
  const auto begin = Clock::now();
  const pid_t child = fork();
  if (child == 0) {
    execl(self, self, who, path, threads, nullptr);
    _exit(127);
  }
  int status = 0;
  rusage usage{};
  if (wait4(child, &status, 0, &usage) != child || status != 0) {
    std::fprintf(stderr, "%s failed\n", who);
    std::exit(1);
  }
  const auto seconds_of = [](const timeval& time) {
    return static_cast<double>(time.tv_sec) + 1e-6 * static_cast<double>(time.tv_usec);
  };
  start.seconds.push_back(seconds_since(begin));
  start.processor_seconds.push_back(seconds_of(usage.ru_utime) + seconds_of(usage.ru_stime));
  start.megabytes.push_back(static_cast<double>(usage.ru_maxrss) * 1024e-6);
}

}  // namespace

int main(int argc, char** argv) {
  rwkv::bench::end_with_usage(argc, argv, 1, "MODEL [threads] [rounds]");
  const std::string first = argv[1];
  if (argc == 4 && (first == "--native" || first == "--llama.cpp")) {
    (first == "--native" ? run_ours : run_peer)(argv[2], std::atoi(argv[3]));
    // What ends a process is not part of its start.
    std::fflush(stdout);
    _exit(0);
  }
  const std::string threads = argc > 2 ? argv[2] : "1";
  const int rounds = argc > 3 ? std::max(std::atoi(argv[3]), 1) : 7;
  Start ours;
  Start peer;
  for (int round = 0; round < rounds; ++round) {
    measure(ours, "/proc/self/exe", "--native", argv[1], threads.c_str());
    measure(peer, "/proc/self/exe", "--llama.cpp", argv[1], threads.c_str());
  }
  std::vector<double> ratios;
  for (std::size_t i = 0; i < ours.seconds.size(); ++i) ratios.push_back(peer.seconds[i] / ours.seconds[i]);
  std::printf(
      "start to first token, %s, %s threads: native %.3f s (%.3f of processors), %.0f MB at most; llama.cpp %.3f s "
      "(%.3f), %.0f MB; ratio %.2f\n",
      argv[1], threads.c_str(), median(ours.seconds), median(ours.processor_seconds), median(ours.megabytes),
      median(peer.seconds), median(peer.processor_seconds), median(peer.megabytes), median(ratios));
}
