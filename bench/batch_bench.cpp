// Tokens per second of 1 to 16 answers at once through our scheduler against llama.cpp's own batched loop: same file,
// same threads, same process, rounds in turn. Prompts are different and their evaluation counts.
//
//   batch_bench MODEL [threads] [rounds] [tokens]
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
using Prompts = std::vector<rwkv::Tokens>;

constexpr int kMostSequences = 16;
constexpr int kPromptTokens = 32;

Prompts make_prompts(int count, int vocabulary) {
  Prompts prompts;
  for (int i = 0; i < count; ++i) {
    rwkv::Tokens tokens;
    for (int t = 0; t < kPromptTokens; ++t) tokens.push_back(1 + (i * 131 + t * 7919) % (vocabulary - 1));
    prompts.push_back(std::move(tokens));
  }
  return prompts;
}

class Ours {
 public:
  Ours(const char* path, int threads) : model_(rwkv::bench::load_model(path, threads, kMostSequences)) {}
  const rwkv::ModelInfo& info() const { return model_->info(); }

  double run(const Prompts& prompts, int tokens) {
    std::vector<rwkv::GenerationTask> tasks;
    for (const rwkv::Tokens& prompt : prompts) {
      rwkv::GenerationTask task;
      task.prompt.chat = false;
      task.prompt.tokens = prompt;
      task.options.sampler.top_k = 1;
      task.options.penalties = {0, 0, 0};
      task.options.max_tokens = tokens;
      task.options.use_cache = false;
      tasks.push_back(std::move(task));
    }
    const auto start = Clock::now();
    const auto results = model_->generate(std::move(tasks), {}, rwkv::CancelToken());
    std::size_t written = 0;
    for (const auto& result : results) written += result.tokens.size();
    return static_cast<double>(written) / seconds_since(start);
  }

 private:
  std::unique_ptr<rwkv::LanguageModel> model_;
};

class Peer {
 public:
  Peer(const char* path, int threads) {
    model_ = llama_model_load_from_file(path, llama_model_default_params());
    llama_context_params params = llama_context_default_params();
    params.n_threads = threads;
    params.n_threads_batch = threads;
    params.n_seq_max = kMostSequences;
    params.n_batch = 512;
    params.n_ubatch = 512;
    params.n_ctx = 512 * kMostSequences;
    params.no_perf = true;
    context_ = llama_init_from_model(model_, params);
    if (context_ == nullptr) std::abort();
    sampler_ = llama_sampler_init_greedy();
    batch_ = llama_batch_init(512, 0, 1);
  }
  Peer(const Peer&) = delete;
  Peer& operator=(const Peer&) = delete;
  ~Peer() {
    llama_batch_free(batch_);
    llama_sampler_free(sampler_);
    llama_free(context_);
    llama_model_free(model_);
  }

  double run(const Prompts& prompts, int tokens) {
    llama_memory_clear(llama_get_memory(context_), true);
    const auto start = Clock::now();
    const int count = static_cast<int>(prompts.size());
    // All prompts in one call, as its batched example does.
    batch_.n_tokens = 0;
    std::vector<int> rows(prompts.size());
    for (int s = 0; s < count; ++s) {
      const rwkv::Tokens& prompt = prompts[static_cast<std::size_t>(s)];
      for (std::size_t t = 0; t < prompt.size(); ++t) add(prompt[t], static_cast<int>(t), s, t + 1 == prompt.size());
      rows[static_cast<std::size_t>(s)] = batch_.n_tokens - 1;
    }
    decode();
    std::vector<llama_token> next(prompts.size());
    for (int step = 0; step < tokens; ++step) {
      for (std::size_t s = 0; s < prompts.size(); ++s) next[s] = llama_sampler_sample(sampler_, context_, rows[s]);
      if (step + 1 == tokens) break;
      batch_.n_tokens = 0;
      for (int s = 0; s < count; ++s) {
        rows[static_cast<std::size_t>(s)] = s;
        add(next[static_cast<std::size_t>(s)], kPromptTokens + step, s, true);
      }
      decode();
    }
    return static_cast<double>(tokens) * count / seconds_since(start);
  }

 private:
  void add(llama_token token, int position, int sequence, bool wanted) {
    const int row = batch_.n_tokens++;
    batch_.token[row] = token;
    batch_.pos[row] = position;
    batch_.n_seq_id[row] = 1;
    batch_.seq_id[row][0] = sequence;
    batch_.logits[row] = wanted ? 1 : 0;
  }
  void decode() {
    if (llama_decode(context_, batch_) != 0) std::abort();
  }

  llama_model* model_ = nullptr;
  llama_context* context_ = nullptr;
  llama_sampler* sampler_ = nullptr;
  llama_batch batch_{};
};

}  // namespace

int main(int argc, char** argv) {
  rwkv::bench::end_with_usage(argc, argv, 1, "MODEL [threads] [rounds] [tokens]");
  const int rounds = argc > 3 ? std::max(std::atoi(argv[3]), 1) : 11;
  const int tokens = argc > 4 ? std::max(std::atoi(argv[4]), 2) : 96;
  Ours ours(argv[1], argc > 2 ? std::atoi(argv[2]) : 0);
  Peer peer(argv[1], ours.info().threads);
  std::printf("%s, %d threads, medians of %d rounds, %d tokens an answer\n", argv[1], ours.info().threads, rounds,
              tokens);
  double single = 0;
  for (const int count : {1, 2, 4, 8, 16}) {
    const Prompts prompts = make_prompts(count, ours.info().vocabulary);
    ours.run(prompts, tokens);
    peer.run(prompts, tokens);
    std::vector<double> mine;
    std::vector<double> theirs;
    std::vector<double> ratios;
    for (int round = 0; round < rounds; ++round) {
      // Whoever comes second in a round may find a warmer machine, so they take turns.
      if (round % 2 == 0) mine.push_back(ours.run(prompts, tokens));
      theirs.push_back(peer.run(prompts, tokens));
      if (round % 2 == 1) mine.push_back(ours.run(prompts, tokens));
      ratios.push_back(mine.back() / theirs.back());
    }
    if (count == 1) single = median(mine);
    std::printf("batch %2d  ours %9.1f  llama.cpp %9.1f tokens/s  ratio %.3f  to batch 1 %.2f\n", count, median(mine),
                median(theirs), median(ratios), median(mine) / single);
  }
}
