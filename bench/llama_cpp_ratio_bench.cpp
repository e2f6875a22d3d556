// Prefill and decode through our runtime against llama.cpp's own loop: same file, same threads, same process, rounds in
// turn. Prints tokens per second of both and the median of the pairwise ratios (above 1: we are faster).
//
//   llama_cpp_ratio_bench MODEL [threads] [rounds]
#include <llama.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <vector>

#include "common.h"

namespace {

using rwkv::bench::Clock;
using rwkv::bench::median;
using rwkv::bench::seconds_since;

constexpr int kPromptTokens = 512;
constexpr int kGeneratedTokens = 256;

struct Speeds {
  double prefill = 0;      // tokens per second
  double decode = 0;       // tokens per second
  double first_token = 0;  // milliseconds
};

std::vector<rwkv::TokenId> prompt_tokens(int vocabulary) {
  std::vector<rwkv::TokenId> tokens;
  for (int i = 0; i < kPromptTokens; ++i) tokens.push_back(1 + i * 7919 % (vocabulary - 1));
  return tokens;
}

class Ours {
 public:
  Ours(const char* path, int threads) : model_(rwkv::bench::load_model(path, threads, 1)) {}

  int vocabulary() const { return model_->info().vocabulary; }
  int threads() const { return model_->info().threads; }

  Speeds run(const std::vector<rwkv::TokenId>& tokens) {
    rwkv::Prompt prompt;
    prompt.chat = false;
    prompt.tokens = tokens;
    rwkv::GenerationOptions options;
    options.sampler.top_k = 1;
    options.penalties = {0, 0, 0};
    options.max_tokens = kGeneratedTokens;
    options.use_cache = false;
    const rwkv::GenerationResult result = model_->generate(prompt, options, {}, rwkv::CancelToken());
    return {result.prefill_speed(), result.decode_speed(), result.prefill_seconds * 1000};
  }

 private:
  std::unique_ptr<rwkv::LanguageModel> model_;
};

class Peer {
 public:
  Peer(const char* path, int threads) {
    llama_model_params model_params = llama_model_default_params();
    model_ = llama_model_load_from_file(path, model_params);
    llama_context_params params = llama_context_default_params();
    params.n_threads = threads;
    params.n_threads_batch = threads;
    params.n_batch = 512;
    params.n_ubatch = 512;
    params.no_perf = true;
    context_ = llama_init_from_model(model_, params);
    sampler_ = llama_sampler_init_greedy();
    if (context_ == nullptr) std::abort();
  }
  Peer(const Peer&) = delete;
  Peer& operator=(const Peer&) = delete;
  ~Peer() {
    llama_sampler_free(sampler_);
    llama_free(context_);
    llama_model_free(model_);
  }

  Speeds run(std::vector<rwkv::TokenId> tokens) {
    llama_memory_clear(llama_get_memory(context_), true);
    Speeds speeds;
    auto start = Clock::now();
    decode(tokens.data(), static_cast<int>(tokens.size()));
    speeds.first_token = seconds_since(start) * 1000;
    speeds.prefill = kPromptTokens / seconds_since(start);
    start = Clock::now();
    // As many samples and evaluations as an answer of this length takes: the last token is not fed back.
    for (int i = 0; i < kGeneratedTokens; ++i) {
      llama_token token = llama_sampler_sample(sampler_, context_, -1);
      if (i + 1 < kGeneratedTokens) decode(&token, 1);
    }
    speeds.decode = kGeneratedTokens / seconds_since(start);
    return speeds;
  }

 private:
  void decode(llama_token* tokens, int count) {
    if (llama_decode(context_, llama_batch_get_one(tokens, count)) != 0) std::abort();
  }

  llama_model* model_ = nullptr;
  llama_context* context_ = nullptr;
  llama_sampler* sampler_ = nullptr;
};

void report(const char* what, const char* unit, std::vector<Speeds>& ours, std::vector<Speeds>& peer,
            double Speeds::* field, bool lower_is_better) {
  std::vector<double> a;
  std::vector<double> b;
  std::vector<double> ratios;
  for (std::size_t i = 0; i < ours.size(); ++i) {
    a.push_back(ours[i].*field);
    b.push_back(peer[i].*field);
    ratios.push_back(lower_is_better ? b.back() / a.back() : a.back() / b.back());
  }
  std::printf("%-12s ours %10.2f  llama.cpp %10.2f %-9s ratio %.3f\n", what, median(a), median(b), unit,
              median(ratios));
}

}  // namespace

int main(int argc, char** argv) {
  rwkv::bench::end_with_usage(argc, argv, 1, "MODEL [threads] [rounds]");
  const int rounds = argc > 3 ? std::max(std::atoi(argv[3]), 1) : 15;
  Ours ours(argv[1], argc > 2 ? std::atoi(argv[2]) : 0);
  Peer peer(argv[1], ours.threads());
  const auto tokens = prompt_tokens(ours.vocabulary());
  std::vector<Speeds> our_speeds;
  std::vector<Speeds> peer_speeds;
  ours.run(tokens);
  peer.run(tokens);
  for (int i = 0; i < rounds; ++i) {
    // Whoever comes second in a round may find a warmer machine, so they take turns.
    if (i % 2 == 0) our_speeds.push_back(ours.run(tokens));
    peer_speeds.push_back(peer.run(tokens));
    if (i % 2 == 1) our_speeds.push_back(ours.run(tokens));
  }
  std::printf("%s, %d threads, medians of %d rounds\n", argv[1], ours.threads(), rounds);
  report("prefill", "tokens/s", our_speeds, peer_speeds, &Speeds::prefill, false);
  report("decode", "tokens/s", our_speeds, peer_speeds, &Speeds::decode, false);
  report("first token", "ms", our_speeds, peer_speeds, &Speeds::first_token, true);
}
