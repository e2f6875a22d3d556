// How likely a text is: in chunks with all logits, against a step for each token.
//
//   score_bench [model] [tokens]
//
// Prints both speeds and their ratio; the tokens are the model's own choice of numbers, the sums of both ways are
// printed so that one sees them agree.
#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <span>
#include <string>

#include "common.h"
#include "engine/backend.h"

namespace {

using Clock = std::chrono::steady_clock;

double log_probability(std::span<const float> logits, rwkv::TokenId token) {
  const float best = *std::max_element(logits.begin(), logits.end());
  double sum = 0;
  for (const float logit : logits) sum += std::exp(static_cast<double>(logit) - best);
  return static_cast<double>(logits[static_cast<std::size_t>(token)]) - best - std::log(sum);
}

struct Run {
  double seconds = 0;
  double log_probability = 0;
};

// Each token after the first, evaluated `chunk` at a time.
Run score(rwkv::Model& model, const rwkv::Tokens& tokens, std::size_t chunk) {
  const auto sequence = model.create_sequence();
  const auto rows = static_cast<std::size_t>(model.info().vocabulary);
  Run run;
  const auto start = Clock::now();
  for (std::size_t done = 0; done + 1 < tokens.size();) {
    const std::size_t size = std::min(chunk, tokens.size() - 1 - done);
    rwkv::EvalItem item{.sequence = sequence.get(),
                        .tokens = std::span(tokens).subspan(done, size),
                        .wants = size > 1 ? rwkv::Output::kAllLogits : rwkv::Output::kLastLogits};
    model.evaluate(std::span(&item, 1), {});
    for (std::size_t i = 0; i < size; ++i) {
      run.log_probability += log_probability(item.output.subspan(i * rows, rows), tokens[done + i + 1]);
    }
    done += size;
  }
  run.seconds = std::chrono::duration<double>(Clock::now() - start).count();
  return run;
}

}  // namespace

int main(int argc, char** argv) {
  rwkv::bench::end_with_usage(argc, argv, 0, "[model] [tokens]");
  const std::string path = argc > 1 ? argv[1] : RWKV_SOURCE_DIR "/models/tiny/rwkv7-tiny.gguf";
  const std::size_t count = argc > 2 ? std::strtoul(argv[2], nullptr, 10) : 512;
  const rwkv::ModelSource source(path);
  rwkv::LoadOptions options;
  options.max_sequences = 1;
  const auto model = rwkv::backend_for(source).load(source, options);
  rwkv::Tokens tokens;
  for (std::size_t i = 0; i <= count; ++i) {
    tokens.push_back(static_cast<rwkv::TokenId>(1 + i * 7919 % static_cast<std::size_t>(model->info().vocabulary - 1)));
  }
  const auto chunk = static_cast<std::size_t>(std::max(model->info().logit_rows, 1));
  const auto best_of = [&](std::size_t size) {
    Run best = score(*model, tokens, size);
    for (int i = 0; i < 4; ++i) {
      const Run run = score(*model, tokens, size);
      if (run.seconds < best.seconds) best = run;
    }
    return best;
  };
  const Run stepped = best_of(1);
  const Run chunked = best_of(chunk);
  std::printf("%zu tokens, %d threads, best of 5\n", count, model->info().threads);
  std::printf("a step for each:       %8.1f tokens/s, log probability %.4f\n",
              static_cast<double>(count) / stepped.seconds, stepped.log_probability);
  std::printf("chunks of up to %4zu:  %8.1f tokens/s, log probability %.4f\n", chunk,
              static_cast<double>(count) / chunked.seconds, chunked.log_probability);
  std::printf("ratio %.2f\n", stepped.seconds / chunked.seconds);
  return 0;
}
